import { expect } from "chai";
import { type OpenedSession, openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { refusalsOf } from "../support/refusals.ts";
import { sessionRow } from "../support/session-row.ts";

const longAgent = `Mozilla/5.0 ${"x".repeat(600)}`;

describe("behaviours: bindings to address and user agent", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({
      env: { SESSIOND_BIND_IP: "true", SESSIOND_BIND_USER_AGENT: "true" },
    });
  });
  after(() => app.stop());

  interface Browser {
    readonly ipAddress?: string;
    readonly userAgent?: string;
  }
  const from = ({ cookie }: OpenedSession, browser: Browser, client = app.client) =>
    client.validate({ credential: { case: "cookie", value: cookie }, ...browser });

  const mismatches = [
    {
      id: "A14",
      reason: "IP_MISMATCH",
      action: "auth.session_ip_mismatch",
      opened: { ipAddress: "192.0.2.7" },
      seen: { ipAddress: "192.0.2.8" },
      stored: "192.0.2.8",
    },
    {
      id: "A15",
      reason: "USER_AGENT_MISMATCH",
      action: "auth.session_ua_mismatch",
      opened: { userAgent: "Browser/1.0" },
      seen: { userAgent: "Browser/1.1" },
      stored: "Browser/1.1",
    },
  ] as const;

  for (const { id, reason, action, opened, seen, stored } of mismatches) {
    it(`${id}: a change is ${reason}, audited, and does not revoke the session`, async () => {
      const session = await openSession(app.client, opened);
      const before = await sessionRow(app, session.id);

      await expectFailure(from(session, seen), reason);

      expect(await refusalsOf(app, session.id)).to.deep.equal([
        {
          category: "auth",
          action,
          acting_actor_id: session.actor.actorId,
          calling_service: "",
          tenant_id: "default",
          resource_type: "session",
          resource_id: session.id,
          details: { reason, seen: stored },
        },
      ]);
      expect(await sessionRow(app, session.id)).to.deep.equal(before);
      expect((await from(session, opened)).session?.id).to.equal(session.id);
    });

    it(`${id}: what is not known on either side passes`, async () => {
      await from(await openSession(app.client, opened), {});
      await from(await openSession(app.client), seen);
    });

    it(`${id}: without the binding a change passes and leaves no audit`, async () => {
      const unbound = await startReplica(app.database.url);
      try {
        const session = await openSession(app.client, opened);
        await from(session, seen, unbound.client);
        expect(await refusalsOf({ app: unbound.app, sql: app.sql }, session.id)).to.be.empty;
      } finally {
        await unbound.stop();
      }
    });
  }

  it("A14: the two bindings are independent", async () => {
    const ipOnly = await startReplica(app.database.url, { env: { SESSIOND_BIND_IP: "true" } });
    try {
      const browser = { ipAddress: "192.0.2.7", userAgent: "Browser/1.0" };
      const session = await openSession(app.client, browser);
      await from(session, { ...browser, userAgent: "Browser/2.0" }, ipOnly.client);
      await expectFailure(
        from(session, { ...browser, ipAddress: "192.0.2.9" }, ipOnly.client),
        "IP_MISMATCH",
      );
    } finally {
      await ipOnly.stop();
    }
  });

  const equal = [
    ["192.0.2.7", "::ffff:192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["192.0.2.7", "::FFFF:c000:207"],
    ["2001:db8::1", "2001:0DB8:0000:0000:0000:0000:0000:0001"],
    ["2001:db8:0:0:1::", "2001:db8::1:0:0:0"],
  ] as const;
  for (const [opened, seen] of equal) {
    it(`A14: ${seen} is the same address as ${opened}`, async () => {
      const session = await openSession(app.client, { ipAddress: opened });
      await from(session, { ipAddress: seen });
    });
  }

  const different = [
    ["192.0.2.7", "::ffff:192.0.2.8"],
    ["192.0.2.7", "::192.0.2.7"],
    ["2001:db8::1", "2001:db8::2"],
    ["192.0.2.7", "2001:db8::1"],
  ] as const;
  for (const [opened, seen] of different) {
    it(`A14: ${seen} is another address than ${opened}`, async () => {
      const session = await openSession(app.client, { ipAddress: opened });
      await expectFailure(from(session, { ipAddress: seen }), "IP_MISMATCH");
    });
  }

  it("A14: an address that is none is the caller's error, not a mismatch", async () => {
    const session = await openSession(app.client, { ipAddress: "192.0.2.7" });
    for (const ipAddress of ["192.0.2.7:443", "192.0.2.7, 10.0.0.1", "fe80::1%eth0", "localhost"]) {
      await expectFailure(from(session, { ipAddress }), "INVALID_REQUEST", { field: "ip_address" });
    }
  });

  it("A15: a user agent that is cut when stored still matches itself", async () => {
    const session = await openSession(app.client, { userAgent: longAgent });
    await from(session, { userAgent: longAgent });
    await expectFailure(
      from(session, { userAgent: `${longAgent.slice(0, 100)}y` }),
      "USER_AGENT_MISMATCH",
    );
  });
});
