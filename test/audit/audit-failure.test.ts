import { expect } from "chai";
import {
  byCookie,
  newActor,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { denialsOf } from "../support/audited-denials.ts";
import { everyCall } from "../support/every-call.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until } from "../support/until.ts";

/** Different sessions: the denials of one for one reason make one event. */
function openMany({ client }: TestApp, count: number): Promise<OpenedSession[]> {
  const open = () => openSession(client, { ipAddress: "192.0.2.7" });
  return Promise.all(Array.from({ length: count }, open));
}

async function denialsOfAll(app: TestApp, sessions: readonly OpenedSession[]): Promise<number> {
  const denials = await Promise.all(sessions.map(({ id }) => denialsOf(app, id)));
  return denials.flat().length;
}

describe("audit that cannot be written", () => {
  let app: TestApp;
  let opened: OpenedSession;
  before(async () => {
    app = await startTestApp({ env: { SESSIOND_BIND_IP: "true" } });
  });
  after(() => app.stop());
  beforeEach(async () => {
    opened = await openSession(app.client, { ipAddress: "192.0.2.7" });
  });

  const fromElsewhere = ({ cookie }: OpenedSession) =>
    app.client.validate({ credential: { case: "cookie", value: cookie }, ipAddress: "192.0.2.8" });
  const breakAudit = () => app.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
  const restoreAudit = () => app.sql("ALTER TABLE audit_events_away RENAME TO audit_events");

  it("leaves a refusal its reason, and counts what was lost (A28)", async () => {
    const { denialAudit } = app.app.storage;
    const revoked = await openSession(app.client);
    await app.client.revoke({ session: byCookie(revoked.cookie) });
    const lostBefore = denialAudit.dropped;
    await breakAudit();

    await expectFailure(fromElsewhere(opened), "IP_MISMATCH");
    await expectFailure(validate(app.client, revoked.cookie), "REVOKED");
    await denialAudit.flush();
    await restoreAudit();

    expect(denialAudit.dropped - lostBefore).to.equal(2);
    expect(await denialsOf(app, opened.id)).to.be.empty;
  });

  it("does not stop later denials from being audited (A28)", async () => {
    await breakAudit();
    await expectFailure(fromElsewhere(opened), "IP_MISMATCH");
    await app.app.storage.denialAudit.flush();
    await restoreAudit();
    const later = await openSession(app.client, { ipAddress: "192.0.2.7" });
    await expectFailure(fromElsewhere(later), "IP_MISMATCH");
    expect(await denialsOf(app, later.id)).to.have.length(1);
  });

  it("does not delay a refusal (A28)", async () => {
    const sessions = await openMany(app, 20);
    const held = await holdTransaction(app.database);
    try {
      await held.query("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE");
      // All of these are answered while nothing can be written.
      const refused = sessions.map((session) =>
        expectFailure(fromElsewhere(session), "IP_MISMATCH"),
      );
      await Promise.all(refused);
      await held.commit();
    } finally {
      await held.end();
    }
    await until("they are written", async () => (await denialsOfAll(app, sessions)) === 20);
  });

  it("is dropped and counted beyond the queue's limit, and the refusal keeps its reason (A28)", async () => {
    const small = await startTestApp({
      env: { SESSIOND_BIND_IP: "true", SESSIOND_AUDIT_QUEUE_LIMIT: "2" },
    });
    try {
      const sessions = await openMany(small, 10);
      const held = await holdTransaction(small.database);
      await held.query("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE");
      for (const { cookie } of sessions) {
        const credential = { case: "cookie", value: cookie } as const;
        const call = small.client.validate({ credential, ipAddress: "192.0.2.8" });
        await expectFailure(call, "IP_MISMATCH");
      }
      await held.commit();
      const written = await denialsOfAll(small, sessions);
      expect(written).to.be.within(1, 9);
      expect(written + small.app.storage.denialAudit.dropped).to.equal(10);
    } finally {
      await small.stop();
    }
  });

  it("fails a change, which changes nothing (promise 4, ASVS 16.3)", async () => {
    const changes = [
      "Create",
      "Create of a pre-login session",
      "Create that replaces",
      "Revoke",
      "RevokeAllForActor",
      "RotateCsrf of a session",
      "RotateCsrf of an actor",
      "RotateSigningKey",
    ];
    const everything = async () => ({
      sessions: await app.sql("SELECT * FROM sessions ORDER BY id"),
      keys: await app.sql("SELECT * FROM signing_keys ORDER BY id"),
    });
    const before = await everything();
    await breakAudit();
    for (const name of changes) {
      const error = await failureOf(everyCall[name]?.(app.client, opened) as Promise<unknown>);
      expect(error.rawMessage, name).to.equal("internal error");
    }
    // A tenant's first key is audited as well.
    await failureOf(app.client.create({ actor: newActor({ tenantId: "a-new-tenant" }) }));
    expect(await everything()).to.deep.equal(before);
    await validate(app.client, opened.cookie);
    await restoreAudit();
  });
});
