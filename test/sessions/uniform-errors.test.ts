import { ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import type { Reason } from "../../src/session/errors.ts";
import { byCookie, byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { refusalsOf } from "../support/refusals.ts";

const env = {
  SESSIOND_UNIFORM_ERRORS: "true",
  SESSIOND_BIND_IP: "true",
  SESSIOND_BIND_USER_AGENT: "true",
};

describe("D03: uniform errors", () => {
  let app: TestApp;
  /** The control: the same refusals where the switch is off. */
  let candid: TestApp;

  before(async () => {
    app = await startTestApp({ env });
    candid = await startTestApp({ env: { ...env, SESSIOND_UNIFORM_ERRORS: "false" } });
  });
  after(async () => {
    await app.stop();
    await candid.stop();
  });

  interface Refused {
    /** The session that it is about, if it is about one. */
    readonly sessionId?: string;
    readonly call: () => Promise<unknown>;
  }

  const open = ({ client }: TestApp, tenantId = "default") =>
    openSession(client, {
      actor: newActor({ tenantId }),
      ipAddress: "192.0.2.1",
      userAgent: "Browser/1",
    });

  async function retiredKey(on: TestApp): Promise<Refused> {
    const tenantId = newTenant();
    const { id, cookie } = await open(on, tenantId);
    await on.client.rotateSigningKey({ tenantId, actingActorId: "admin" });
    await on.sql(
      `UPDATE signing_keys SET retired_at = now() - interval '10 days'
       WHERE tenant_id = $1 AND retired_at IS NOT NULL`,
      [tenantId],
    );
    return { sessionId: id, call: () => validate(on.client, cookie) };
  }

  /** Every reason that means 401 about a session, each brought about by its own cause. */
  const refusals: Partial<Record<Reason, (on: TestApp) => Promise<Refused>>> = {
    INVALID_COOKIE: async (on) => {
      const { id, cookie } = await open(on);
      const credential = { case: "cookie", value: cookie } as const;
      return {
        sessionId: id,
        call: () => on.client.validate({ credential, tenantId: "another" }),
      };
    },
    EXPIRED_IDLE: async (on) => {
      const { id, cookie } = await open(on);
      await idle(on, id, 24 * 3600);
      return { sessionId: id, call: () => validate(on.client, cookie) };
    },
    EXPIRED_ABSOLUTE: async (on) => {
      const { id, cookie } = await open(on);
      await setAbsolute(on, id, -1);
      return { sessionId: id, call: () => validate(on.client, cookie) };
    },
    REVOKED: async (on) => {
      const { id, cookie } = await open(on);
      await on.client.revoke({ session: byCookie(cookie) });
      return { sessionId: id, call: () => validate(on.client, cookie) };
    },
    SIGNING_KEY_NOT_FOUND: async (on) => {
      const { id, cookie } = await open(on);
      const [version, , , mac] = cookie.split(".");
      const forged = [version, id, `sk-${"0".repeat(32)}`, mac].join(".");
      return { call: () => validate(on.client, forged) };
    },
    SIGNING_KEY_RETIRED: retiredKey,
    IP_MISMATCH: async (on) => {
      const { id, cookie } = await open(on);
      const credential = { case: "cookie", value: cookie } as const;
      return {
        sessionId: id,
        call: () => on.client.validate({ credential, ipAddress: "192.0.2.2" }),
      };
    },
    USER_AGENT_MISMATCH: async (on) => {
      const { id, cookie } = await open(on);
      const credential = { case: "cookie", value: cookie } as const;
      return {
        sessionId: id,
        call: () => on.client.validate({ credential, userAgent: "Browser/2" }),
      };
    },
    PRE_LOGIN_NOT_ACCEPTED: async (on) => {
      const { id, cookie } = await openSession(on.client, { preLogin: true });
      return { sessionId: id, call: () => validate(on.client, cookie) };
    },
  };

  /** All that the caller can see of a failure. */
  function visible(error: ConnectError): unknown {
    const hidden = ["date", "content-length"];
    const metadata = [...error.metadata].filter(([name]) => !hidden.includes(name)).sort();
    const { code, rawMessage, details } = error;
    return { code, rawMessage, details, metadata };
  }

  for (const [reason, arrange] of Object.entries(refusals) as [
    Reason,
    (on: TestApp) => Promise<Refused>,
  ][]) {
    it(`D03: ${reason} looks like any other refusal; the audit keeps the reason`, async () => {
      const forged = await failureOf(validate(app.client, "nonsense"));
      const refused = await arrange(app);

      const error = await expectFailure(refused.call(), "INVALID_COOKIE");

      expect(error).to.be.instanceOf(ConnectError);
      expect(visible(error)).to.deep.equal(visible(forged));
      if (refused.sessionId !== undefined) {
        const audit = await refusalsOf(app, refused.sessionId);
        expect(audit.map(({ details }) => details.reason)).to.deep.equal([reason]);
      }
      await expectFailure((await arrange(candid)).call(), reason);
    });
  }

  it("D03: all calls that take a cookie are as uniform as Validate", async () => {
    const { cookie, actor } = await open(app);
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

  it("D03: what is not a refusal of a session stays as it is", async () => {
    const { id, cookie } = await open(app);
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
