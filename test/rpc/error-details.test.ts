import { randomBytes } from "node:crypto";
import { type DescMethodUnary, type JsonObject, toJson } from "@bufbuild/protobuf";
import { expect } from "chai";
import { type Session, SessionSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Reason } from "../../src/session/errors.ts";
import { newActor, newTenant, openSession, type TestActor, validate } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { refusedSessions } from "../support/refused-sessions.ts";
import { sentinelMessages } from "../support/sentinel-messages.ts";
import { holdTransaction } from "../support/transaction.ts";
import { untilWaiting } from "../support/until.ts";
import {
  curlPath,
  failOverConnect,
  failOverCurl,
  failOverGrpc,
  failOverHttp,
  type WireCall,
  type WireFailure,
} from "../support/wire-failure.ts";

const { method } = SessionService;

/** The status with which the Connect protocol sends each code; not always the hint for a browser. */
const connectStatus = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const;

interface Failing {
  readonly method: DescMethodUnary;
  readonly request: JsonObject;
  /** A server other than the one that most scenarios share. */
  readonly url?: string;
  readonly release?: () => Promise<void>;
  /** Details that only this reason has. */
  readonly details?: WireFailure["details"];
}

interface Sentinel {
  readonly reason: Reason;
  readonly code: keyof typeof connectStatus;
  readonly hint: number;
  /** Makes a call that fails for the reason each time that it is made. */
  readonly arrange: (app: TestApp) => Promise<Failing>;
  /** Only of INVALID_REQUEST. */
  readonly field?: string;
  /** Where it is not that of the reason. */
  readonly message?: string;
  readonly retry?: true;
}

const validating = (cookie: string, more: JsonObject = {}): Failing => ({
  method: method.validate,
  request: { cookie, ...more },
});

const sentinels: readonly Sentinel[] = [
  ...Object.entries(refusedSessions).map(
    ([reason, arrange]): Sentinel => ({
      reason: reason as Reason,
      code: "UNAUTHENTICATED",
      hint: 401,
      arrange: async (app) => ({
        method: method.validate,
        request: (await arrange(app)).request,
      }),
    }),
  ),
  {
    reason: "CSRF_MISSING",
    code: "PERMISSION_DENIED",
    hint: 403,
    arrange: async ({ client }) => {
      const { cookie } = await openSession(client);
      return { method: method.validateCsrf, request: { session: { cookie }, csrfToken: " " } };
    },
  },
  {
    reason: "CSRF_MISMATCH",
    code: "PERMISSION_DENIED",
    hint: 403,
    arrange: async ({ client }) => {
      const { cookie } = await openSession(client);
      const { csrfToken } = await openSession(client);
      return validating(cookie, { csrfToken });
    },
  },
  {
    reason: "STEP_UP_REQUIRED",
    code: "PERMISSION_DENIED",
    hint: 403,
    arrange: async ({ client }) => {
      const { cookie } = await openSession(client, { authLevel: 1 });
      return validating(cookie, { minAuthLevel: 2 });
    },
  },
  {
    reason: "ACTOR_TYPE_NOT_ACCEPTED",
    code: "PERMISSION_DENIED",
    hint: 403,
    arrange: async ({ client }) => {
      const { cookie } = await openSession(client);
      return validating(cookie, { actorType: "service_account" });
    },
  },
  {
    reason: "SESSION_NOT_FOUND",
    code: "NOT_FOUND",
    hint: 404,
    arrange: async () => {
      const sessionId = `ses-${randomBytes(22).toString("hex")}`;
      return { method: method.get, request: { session: { sessionId } } };
    },
  },
  {
    reason: "INVALID_REQUEST",
    code: "INVALID_ARGUMENT",
    hint: 400,
    field: "actor.actor_id",
    message: "actor.actor_id is required and must not be blank",
    arrange: async () => ({ method: method.create, request: { actor: { actorType: "user" } } }),
  },
  {
    reason: "REQUEST_TOO_LARGE",
    code: "INVALID_ARGUMENT",
    hint: 413,
    message:
      "the request message is larger than the limit of 65536 bytes (SESSIOND_MAX_MESSAGE_BYTES)",
    arrange: async () => validating("a".repeat(65_536)),
  },
  {
    reason: "SESSION_LIMIT_REACHED",
    code: "FAILED_PRECONDITION",
    hint: 409,
    arrange: async ({ client }) => {
      const { actor, created } = await openSession(client);
      const { id, createdAt, lastSeenAt } = toJson(
        SessionSchema,
        created.session as Session,
      ) as JsonObject;
      const competing = { id: `${id}`, createdAt: `${createdAt}`, lastSeenAt: `${lastSeenAt}` };
      return {
        method: method.create,
        request: { actor: { ...actor } },
        details: [
          ["sessiond.v1.SessionLimitDetail", { limit: 1, total: 1, sessions: [competing] }],
        ],
      };
    },
  },
  {
    reason: "METADATA_ETAG_MISMATCH",
    code: "ABORTED",
    hint: 409,
    arrange: async ({ client }) => {
      const { cookie } = await openSession(client);
      const request = { session: { cookie }, metadata: {}, metadataEtag: "another" };
      return { method: method.updateMetadata, request };
    },
  },
  {
    reason: "STORAGE_UNAVAILABLE",
    code: "UNAVAILABLE",
    hint: 503,
    retry: true,
    arrange: async ({ client, database }) => {
      const { cookie } = await openSession(client);
      const proxy = await startDatabaseProxy(database.url);
      const cutOff = await startReplica(proxy.url);
      // Its key is in memory then, so that it is the session that cannot be read.
      await validate(cutOff.client, cookie);
      proxy.refuse();
      const release = async () => {
        await cutOff.stop();
        await proxy.close();
      };
      return { ...validating(cookie), url: cutOff.url, release };
    },
  },
  {
    reason: "OVERLOADED",
    code: "RESOURCE_EXHAUSTED",
    hint: 429,
    retry: true,
    arrange: async ({ client, database, sql }) => {
      const { cookie } = await openSession(client);
      const cramped = await startReplica(database.url, {
        env: {
          SESSIOND_DATABASE_POOL_SIZE: "2",
          SESSIOND_DATABASE_QUEUE_LIMIT: "0",
          SESSIOND_DATABASE_STATEMENT_TIMEOUT: "1m",
        },
      });
      const held = await holdTransaction(database);
      await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      // Each in a statement of its own, since the first has been sent when the second comes.
      const waiting: Promise<unknown>[] = [];
      for (const count of [1, 2]) {
        waiting.push(validate(cramped.client, cookie));
        await untilWaiting(sql, count);
      }
      const release = async () => {
        await held.commit();
        await Promise.all(waiting);
        await cramped.stop();
      };
      return { ...validating(cookie), url: cramped.url, release };
    },
  },
  {
    reason: "INITIAL_SIGNING_KEY_MINT_FAILED",
    code: "INTERNAL",
    hint: 500,
    arrange: async ({ database }) => {
      const nonceBytes = 12;
      let exhausted = false;
      const random = (size: number) => {
        // Nothing but the encryption of a signing key asks for as many bytes as these.
        if (exhausted && size === nonceBytes) throw new Error("no entropy");
        return randomBytes(size);
      };
      const { url, stop: release } = await startReplica(database.url, { random });
      exhausted = true;
      const actor: TestActor = newActor({ tenantId: newTenant() });
      return { method: method.create, request: { actor: { ...actor } }, url, release };
    },
  },
];

const clients: Record<string, (call: WireCall) => Promise<WireFailure>> = {
  "grpc-js": failOverGrpc,
  "connect-node over Connect": failOverConnect,
  "fetch with JSON over HTTP/1.1": failOverHttp,
  ...(curlPath && { curl: failOverCurl }),
};

describe("error details", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp({
      env: {
        SESSIOND_BIND_IP: "true",
        SESSIOND_BIND_USER_AGENT: "true",
        SESSIOND_MAX_SESSIONS_PER_ACTOR: "1",
        SESSIOND_SESSION_LIMIT_POLICY: "reject",
      },
    });
  });
  after(() => app.stop());

  it("are shown for all reasons but those about callers, which test/callers shows", () => {
    const callers = ["CALLER_UNAUTHENTICATED", "CALLER_FORBIDDEN", "CALLER_KEYS_UNAVAILABLE"];
    expect([...sentinels.map(({ reason }) => reason), ...callers]).to.have.members(
      Object.keys(sentinelMessages),
    );
  });

  for (const { reason, code, hint, arrange, ...expected } of sentinels) {
    describe(reason, () => {
      let failing: Failing;

      before(async () => {
        failing = await arrange(app);
      });
      after(() => failing?.release?.());

      for (const [name, fail] of Object.entries(clients)) {
        it(`${reason} is ${code} with all its details for ${name}`, async () => {
          const { httpStatus, ...failure } = await fail({ url: app.url, ...failing });

          const { field, message = sentinelMessages[reason], retry } = expected;
          expect(failure).to.deep.equal({
            code,
            message,
            details: [
              [
                "sessiond.v1.ErrorDetail",
                { reason: `ERROR_REASON_${reason}`, httpStatus: hint, ...(field && { field }) },
              ],
              ["google.rpc.ErrorInfo", { reason, domain: "sessiond.v1" }],
              ...(field
                ? [
                    [
                      "google.rpc.BadRequest",
                      { fieldViolations: [{ field, description: message }] },
                    ],
                  ]
                : []),
              ...(failing.details ?? []),
              ...(retry ? [["google.rpc.RetryInfo", { retryDelay: "1s" }]] : []),
            ],
          });
          if (httpStatus !== undefined) expect(httpStatus).to.equal(connectStatus[code]);
        });
      }
    });
  }
});
