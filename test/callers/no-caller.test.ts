import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect } from "chai";
import { pino } from "pino";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openEncryptedStorage } from "../../src/open-encrypted-storage.ts";
import { composeRoutes } from "../../src/routes.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { AbsentKeys } from "../../src/session/absent-keys.ts";
import { secureRandomBytes as random } from "../../src/session/ids.ts";
import { KeyRing } from "../../src/session/key-ring.ts";
import { SigningKeys } from "../../src/session/signing-keys.ts";
import { sweep } from "../../src/session/sweep.ts";
import { UnreadableKeys } from "../../src/session/unreadable-keys.ts";
import { manageTokenKeys } from "../../src/token-keys.ts";
import { openSession } from "../support/actors.ts";
import {
  type SessionClient,
  startTestApp,
  TEST_KEY_ENCRYPTION_KEY,
  type TestApp,
} from "../support/app.ts";
import { everyCall } from "../support/every-call.ts";
import { failureOf } from "../support/expect-failure.ts";

/** What a caller of no tenant gets: everything is forbidden, or seems not to exist. */
const refusals = ["CALLER_FORBIDDEN", "INVALID_REQUEST", "SIGNING_KEY_NOT_FOUND"];

describe("a call that reaches a handler without authentication", () => {
  const stack = new AsyncDisposableStack();
  let app: TestApp;
  let unauthenticated: SessionClient;

  before(async () => {
    app = await startTestApp();
    stack.defer(() => app.stop());
    const config = loadConfig({
      SESSIOND_DATABASE_URL: app.database.url,
      SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
    });
    const log = pino({ level: "silent" });
    const opened = { config, log, random, signal: undefined };
    const { storage, encryption } = await openEncryptedStorage(opened, stack);
    const clock = () => performance.now();
    const store = storage.signingKeys;
    const unreadable = new UnreadableKeys(clock);
    const routes = composeRoutes({
      config,
      random,
      storage,
      signingKeys: new SigningKeys(store, encryption, random, config.tenants),
      keyRing: new KeyRing({ store, encryption, unreadable, absent: new AbsentKeys(clock) }),
      tokens: {
        keys: manageTokenKeys({ config, random, storage, encryption }),
        issuer: undefined,
        keyAgeMs: () => undefined,
        documents: new Map(),
      },
      health: createHealth([]),
      observer: { observesSuccess: false },
      checkObserver: { decided() {}, refused() {}, misconfigured() {} },
      runSweep: (context, timeLimitMs) =>
        sweep(storage.sweep, { ...config.sweep, timeLimitMs }, config.timeouts, clock, context),
    });
    unauthenticated = createClient(SessionService, createRouterTransport(routes));
  });
  after(() => stack.disposeAsync());

  for (const [name, call] of Object.entries(everyCall)) {
    it(`is refused: ${name}`, async () => {
      const session = await openSession(app.client);
      const error = await failureOf(call(unauthenticated, session));
      expect(refusals).to.include(error.findDetails(ErrorInfoSchema)[0]?.reason);
    });
  }
});
