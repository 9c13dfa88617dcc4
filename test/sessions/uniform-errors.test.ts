import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { ValidateRequestSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Reason } from "../../src/session/errors.ts";
import { byCookie, byId, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { denialsOf } from "../support/audited-denials.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { type RefusedSession, refusedSessions } from "../support/refused-sessions.ts";

const env = {
  SESSIOND_UNIFORM_ERRORS: "true",
  SESSIOND_BIND_IP: "true",
  SESSIOND_BIND_USER_AGENT: "true",
};

describe("uniform errors", () => {
  let app: TestApp;
  /** The control: the same denials where the switch is off. */
  let distinct: TestApp;

  before(async () => {
    app = await startTestApp({ env });
    distinct = await startTestApp({ env: { ...env, SESSIOND_UNIFORM_ERRORS: "false" } });
  });
  after(async () => {
    await app.stop();
    await distinct.stop();
  });

  /** All that the caller can see of a failure, without what differs in each call. */
  function visible(error: ConnectError): unknown {
    const hidden = ["date", "content-length", "x-request-id"];
    const metadata = [...error.metadata].filter(([name]) => !hidden.includes(name)).sort();
    const { code, rawMessage, details } = error;
    return { code, rawMessage, details, metadata };
  }

  const validateJson = ({ client }: TestApp, request: JsonObject) =>
    client.validate(fromJson(ValidateRequestSchema, request));

  for (const reason of Object.keys(refusedSessions) as Reason[]) {
    it(`makes ${reason} look like any other refusal, and keeps it in the audit (D03)`, async () => {
      const arrange = refusedSessions[reason] as (on: TestApp) => Promise<RefusedSession>;
      const forged = await failureOf(validate(app.client, "nonsense"));
      const { request, sessionId } = await arrange(app);

      const error = await expectFailure(validateJson(app, request), "INVALID_COOKIE");

      expect(visible(error)).to.deep.equal(visible(forged));
      if (sessionId !== undefined) {
        const audit = await denialsOf(app, sessionId);
        expect(audit.map(({ details }) => details.reason)).to.deep.equal([reason]);
      }
      await expectFailure(validateJson(distinct, (await arrange(distinct)).request), reason);
    });
  }

  it("are the same for all calls that take a cookie (D03)", async () => {
    const { cookie, actor } = await openSession(app.client);
    const session = byCookie(cookie);
    await app.client.revoke({ session });
    const { client } = app;

    await expectFailure(client.touch({ session }), "INVALID_COOKIE");
    await expectFailure(client.validateCsrf({ session, csrfToken: "x" }), "INVALID_COOKIE");
    await expectFailure(
      client.rotateCsrf({ target: { case: "session", value: session } }),
      "INVALID_COOKIE",
    );
    const unknownKey = byCookie(cookie.replace(/sk-[0-9a-f]+/, `sk-${"0".repeat(32)}`));
    await expectFailure(client.get({ session: unknownKey }), "INVALID_COOKIE");
    await expectFailure(client.revoke({ session: unknownKey }), "INVALID_COOKIE");
    await expectFailure(client.list({ actor, current: unknownKey }), "INVALID_COOKIE");
  });

  it("leave other failures than denials of a session as they are (D03)", async () => {
    const { id, cookie } = await openSession(app.client);
    const credential = { case: "cookie", value: cookie } as const;

    await expectFailure(
      app.client.validate({ credential, csrfToken: "wrong-token" }),
      "CSRF_MISMATCH",
    );
    await expectFailure(app.client.validate({ credential, csrfToken: " " }), "CSRF_MISSING");
    await expectFailure(
      app.client.get({ session: byId(id.replace(/[0-9a-f]{32}$/, "0".repeat(32))) }),
      "SESSION_NOT_FOUND",
    );
    await expectFailure(app.client.get({ session: byId("x") }), "INVALID_REQUEST", {
      field: "session.session_id",
    });
    await validate(app.client, cookie);
  });
});
