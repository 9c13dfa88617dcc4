import { expect } from "chai";
import { type OpenedSession, openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { denialsOf } from "../support/audited-denials.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

describe("bindings to address and user agent", () => {
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
    it(`answers a change with ${reason}, audits it and does not revoke the session (${id})`, async () => {
      const session = await openSession(app.client, opened);
      const before = await sessionRow(app, session.id);

      await expectFailure(from(session, seen), reason);

      expect(await denialsOf(app, session.id)).to.deep.equal([
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

    it(`accepts what is unknown on either side (${id})`, async () => {
      await from(await openSession(app.client, opened), {});
      await from(await openSession(app.client), seen);
    });

    it(`accepts a change without the binding, and leaves no audit (${id})`, async () => {
      const unbound = await startReplica(app.database.url);
      try {
        const session = await openSession(app.client, opened);
        await from(session, seen, unbound.client);
        expect(await denialsOf({ app: unbound.app, sql: app.sql }, session.id)).to.be.empty;
      } finally {
        await unbound.stop();
      }
    });
  }

  it("binds to one without the other (A14, A15)", async () => {
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

  const spellings: Record<string, string[]> = {
    "192.0.2.1": ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:0201", "0:0:0:0:0:ffff:c000:201"],
    "2001:db8::1": [
      "2001:db8::1",
      "2001:DB8::1",
      "2001:0db8:0000:0000:0000:0000:0000:0001",
      "2001:db8:0:0::0.0.0.1",
    ],
    "2001:db8:0:0:1::": ["2001:db8:0:0:1::", "2001:db8::1:0:0:0"],
    "::1": ["::1", "0:0:0:0:0:0:0:1"],
    "::": ["::", "0::0"],
    "64:ff9b::c000:201": ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    "0.0.0.0": ["0.0.0.0", "::ffff:0.0.0.0", "::ffff:0:0"],
  };
  for (const [normal, variants] of Object.entries(spellings)) {
    it(`takes ${variants.join(", ")} for one address, ${normal} (A14)`, async () => {
      for (const ipAddress of variants) {
        const session = await openSession(app.client, { ipAddress });
        expect(session.created.session?.ipAddress).to.equal(normal);
        for (const seen of [...variants, ""]) await from(session, { ipAddress: seen });
      }
    });
  }

  const different = [
    ["192.0.2.7", "::ffff:192.0.2.8"],
    ["192.0.2.7", "192.0.2.8"],
    ["2001:db8::1", "2001:db8::2"],
    ["192.0.2.7", "2001:db8::1"],
    ["192.0.2.1", "::192.0.2.1"],
    ["192.0.2.1", "64:ff9b::192.0.2.1"],
    ["192.0.2.1", "::ffff:0:192.0.2.1"],
    ["::1", "127.0.0.1"],
  ] as const;
  for (const [opened, seen] of different) {
    it(`takes ${seen} for another address than ${opened} (A14)`, async () => {
      const session = await openSession(app.client, { ipAddress: opened });
      await expectFailure(from(session, { ipAddress: seen }), "IP_MISMATCH");
    });
  }

  it("cuts a long user agent before it compares, as when it was stored (A15)", async () => {
    for (const length of [256, 512, 513, 600, 8192, 16_000]) {
      const userAgent = "Browser/é🦊 ".repeat(length).slice(0, length).toWellFormed();
      const session = await openSession(app.client, { userAgent });

      await from(session, { userAgent });

      for (const other of [`!${userAgent}`, `${userAgent.slice(0, 100)}!`]) {
        await expectFailure(from(session, { userAgent: other }), "USER_AGENT_MISMATCH");
      }
    }
  });
});
