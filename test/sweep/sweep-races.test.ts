import { expect } from "chai";
import { byId, openSession } from "../support/actors.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { failureOf } from "../support/expect-failure.ts";
import { inParallel } from "../support/in-parallel.ts";
import { SWEEP_LOCK } from "../support/sweep-lock.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { until, untilBlockedBy } from "../support/until.ts";

describe("races: the sweep", () => {
  let replicas: TwoReplicas;
  let held: HeldTransaction | undefined;

  before(async () => {
    const env = {
      SESSIOND_TOUCH_INTERVAL: "0s",
      SESSIOND_HISTORY_WINDOW: "0s",
      SESSIOND_SWEEP_BATCH_SIZE: "50",
    };
    replicas = await startTwoReplicas({ env });
  });
  afterEach(() => held?.end());
  after(() => replicas.stop());

  it("sweep against Touch, 2000 sessions: none that is live is deleted", async () => {
    const { app, other } = replicas;
    const { id: original } = await openSession(app.client);
    const ids = await cloneSessions(app.sql, original, 2000);
    const old = await cloneSessions(app.sql, ids[0] ?? "", 2000);
    // The first lot is about to go idle while the test runs; the second is past its deadline.
    await app.sql(
      `UPDATE sessions SET last_seen_at = statement_timestamp() - interval '30 minutes'
         + random() * interval '4 seconds' WHERE id = ANY ($1)`,
      [ids],
    );
    await app.sql(
      "UPDATE sessions SET absolute_expires_at = statement_timestamp() WHERE id = ANY ($1)",
      [old],
    );
    const touched = new Set<string>();
    let touching = true;
    let deleted = 0;
    const sweeps = [app, other].map(async ({ client }) => {
      while (touching) {
        const { sessionsDeleted } = await client.garbageCollect({});
        deleted += sessionsDeleted;
      }
    });

    await inParallel(20, ids, async (id) => {
      await app.client.touch({ session: byId(id) }).then(
        () => touched.add(id),
        () => {},
      );
    });
    touching = false;
    await Promise.all(sweeps);
    deleted += (await app.client.garbageCollect({})).sessionsDeleted;

    const left = await app.sql<{ id: string; live: boolean }>(
      `SELECT id, last_seen_at + interval '30 minutes' > statement_timestamp() AS live
       FROM sessions WHERE id = ANY ($1)`,
      [[...ids, ...old]],
    );
    const live = new Set(left.filter((row) => row.live).map(({ id }) => id));
    expect(touched.size, "some touches came in time").to.be.greaterThan(20);
    expect([...touched].filter((id) => !live.has(id))).to.deep.equal([]);
    expect(left.filter(({ id }) => old.includes(id))).to.deep.equal([]);
    expect(deleted, "each deletion is counted once").to.equal(
      ids.length + old.length - left.length,
    );
  }).timeout(60_000);

  it("while one sweep is at work, the other says already_running and does nothing", async () => {
    const { app, other } = replicas;
    const { id } = await openSession(app.client);
    held = await holdTransaction(app.database);
    await held.query("SELECT pg_advisory_xact_lock($1)", [SWEEP_LOCK]);
    await app.sql("UPDATE sessions SET absolute_expires_at = '2020-01-01' WHERE id = $1", [id]);

    for (const { client } of [app, other]) {
      expect(await client.garbageCollect({})).to.include({
        alreadyRunning: true,
        sessionsDeleted: 0,
      });
    }
    expect(await app.sql("SELECT FROM sessions WHERE id = $1", [id])).to.have.lengthOf(1);

    await held.commit();
    expect(await other.client.garbageCollect({})).to.include({
      alreadyRunning: false,
      sessionsDeleted: 1,
    });
  });

  /** Has a sweep stop in the middle, at a row that it wants to delete, until `held` ends. */
  async function blockSweeps(): Promise<HeldTransaction> {
    const { app } = replicas;
    const [event] = await app.sql<{ id: string }>(
      `UPDATE audit_events SET occurred_at = '2020-01-01'
       WHERE id = (SELECT min(id) FROM audit_events) RETURNING id`,
    );
    const transaction = await holdTransaction(app.database);
    await transaction.query("SELECT FROM audit_events WHERE id = $1 FOR UPDATE", [event?.id]);
    return transaction;
  }

  async function sweepLockHolder(): Promise<number | undefined> {
    const [row] = await replicas.app.sql<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (classid::bigint << 32) + objid::bigint = $1`,
      [SWEEP_LOCK],
    );
    return row?.pid;
  }

  it("two replicas sweep at once: one works, the other says already_running", async () => {
    const { app, other } = replicas;
    await openSession(app.client);
    held = await blockSweeps();

    const working = app.client.garbageCollect({});
    await untilBlockedBy(app.sql, held.pid);
    expect(await other.client.garbageCollect({})).to.include({ alreadyRunning: true });
    await held.commit();

    expect(await working).to.include({ alreadyRunning: false, auditEventsDeleted: 1 });
    expect(await sweepLockHolder(), "the lock is let go of").to.equal(undefined);
    expect(await other.client.garbageCollect({})).to.include({ alreadyRunning: false });
  });

  it("the lock goes with the connection that holds it, and the replica stays up", async () => {
    const { app, other } = replicas;
    await openSession(app.client);
    held = await blockSweeps();
    const broken = failureOf(app.client.garbageCollect({}));
    await untilBlockedBy(app.sql, held.pid);
    const holder = await until("a sweep holds the lock", sweepLockHolder);

    await app.sql("SELECT pg_terminate_backend($1)", [holder]);
    await until("the lock is free", async () => (await sweepLockHolder()) === undefined);
    const next = other.client.garbageCollect({});
    await until("the other replica has it", sweepLockHolder);
    await held.commit();

    expect((await next).alreadyRunning).to.equal(false);
    // It cannot vouch for having been alone to the end, and says so.
    await broken;
    expect(await app.client.garbageCollect({})).to.include({ alreadyRunning: false });
  });
});
