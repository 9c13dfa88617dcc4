import { mock } from "node:test";
import { expect } from "chai";
import { byId, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, type TestApp } from "../support/app.ts";
import { age } from "../support/back-dating.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { failureOf } from "../support/expect-failure.ts";
import { inParallel } from "../support/in-parallel.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { until, untilBlockedBy } from "../support/until.ts";
import { withReplica } from "../support/with-replica.ts";

const LONG_AGO = 30 * 24 * 3600;
const everySecond = { SESSIOND_SWEEP_SCHEDULE: "* * * * * *", SESSIOND_SWEEP_JITTER: "0s" };
/** Deletions wait for the holder of this lock; reads do not. */
const HOLD_DELETIONS = "LOCK TABLE sessions IN SHARE MODE";
/**
 * The advisory lock that sweeps exclude each other with. Written down here once more on purpose:
 * replicas of different versions must agree on it.
 */
const SWEEP_LOCK = 7_361_512_002;

describe("sweep runs", () => {
  let replicas: TwoReplicas;
  let app: TestApp;
  let other: Replica;
  let held: HeldTransaction | undefined;
  before(async () => {
    replicas = await startTwoReplicas();
    ({ app, other } = replicas);
  });
  afterEach(async () => {
    mock.restoreAll();
    await held?.end();
  });
  after(() => replicas.stop());

  async function openPastSession(): Promise<string> {
    const { id } = await openSession(app.client);
    await age(app, id, LONG_AGO);
    return id;
  }
  const isGone = async (id: string) =>
    (await app.sql("SELECT 1 FROM sessions WHERE id = $1", [id])).length === 0;
  const connections = () =>
    app.sql(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );

  async function sweepLockHolder(): Promise<number | undefined> {
    const [row] = await app.sql<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (classid::bigint << 32) + objid::bigint = $1`,
      [SWEEP_LOCK],
    );
    return row?.pid;
  }

  it("start by themselves at the configured interval, again and again (A24, A27)", async () => {
    const live = await openSession(app.client);
    await withReplica(app.database.url, { env: everySecond }, async () => {
      for (const _round of [1, 2]) {
        const id = await openPastSession();
        await until("the sweep deletes it", () => isGone(id));
      }
    });
    await validate(app.client, live.cookie);
  });

  it("exclude each other, on one replica and on two (A24)", async () => {
    const id = await openPastSession();
    held = await holdTransaction(app.database);
    await held.query(HOLD_DELETIONS);
    const first = app.client.garbageCollect({});
    await untilBlockedBy(app.sql, held.pid);

    expect(await sweepLockHolder(), "the lock is held").not.to.equal(undefined);
    for (const { client } of [app, other]) {
      const second = await client.garbageCollect({});
      expect(second).to.include({ alreadyRunning: true, sessionsDeleted: 0, more: false });
    }
    expect(await isGone(id)).to.equal(false);

    await held.commit();
    expect(await first).to.include({ alreadyRunning: false, sessionsDeleted: 1 });
    expect(await isGone(id)).to.equal(true);
    expect(await sweepLockHolder(), "the lock is released").to.equal(undefined);
    expect((await other.client.garbageCollect({})).alreadyRunning).to.equal(false);
  });

  it("do not start while a process of another version holds their lock (A24)", async () => {
    const id = await openPastSession();
    held = await holdTransaction(app.database);
    await held.query("SELECT pg_advisory_xact_lock($1)", [SWEEP_LOCK]);
    expect((await app.client.garbageCollect({})).alreadyRunning).to.equal(true);
    expect(await isGone(id)).to.equal(false);

    await held.commit();
    const next = await app.client.garbageCollect({});
    expect(next).to.include({ alreadyRunning: false, sessionsDeleted: 1 });
  });

  it("go on elsewhere when a replica is lost in the middle of one (A24)", async () => {
    const proxy = await startDatabaseProxy(app.database.url);
    const lost = await startReplica(proxy.url);
    held = await holdTransaction(app.database);
    try {
      await openPastSession();
      await held.query(HOLD_DELETIONS);
      const sweeping = lost.client.garbageCollect({}).catch((error: unknown) => error);
      await untilBlockedBy(app.sql, held.pid);
      proxy.refuse();
      expect(await sweeping).to.be.instanceOf(Error);
      await held.commit();
      await until("another replica sweeps", async () => {
        const { alreadyRunning } = await app.client.garbageCollect({});
        return !alreadyRunning;
      });
    } finally {
      await held.end();
      await lost.stop();
      await proxy.close();
    }
  });

  it("release the lock with the connection that holds it, and the replica stays up (A24)", async () => {
    await openSession(app.client);
    const [event] = await app.sql<{ id: string }>(
      `UPDATE audit_events SET occurred_at = '2020-01-01'
       WHERE id = (SELECT min(id) FROM audit_events) RETURNING id`,
    );
    held = await holdTransaction(app.database);
    await held.query("SELECT FROM audit_events WHERE id = $1 FOR UPDATE", [event?.id]);
    const broken = failureOf(app.client.garbageCollect({}));
    await untilBlockedBy(app.sql, held.pid);
    const holder = await until("a sweep holds the lock", sweepLockHolder);

    await app.sql("SELECT pg_terminate_backend($1)", [holder]);
    await until("the lock is free", async () => (await sweepLockHolder()) === undefined);
    const next = other.client.garbageCollect({});
    await until("the other replica has it", sweepLockHolder);
    await held.commit();

    expect((await next).alreadyRunning).to.equal(false);
    // It cannot know whether it was alone to the end, and fails.
    await broken;
    expect(await app.client.garbageCollect({})).to.include({ alreadyRunning: false });
  });

  it("stop at their time limit and say that there is more, which the next deletes (A24)", async () => {
    const env = { SESSIOND_SWEEP_TIME_LIMIT: "30s", SESSIOND_SWEEP_BATCH_SIZE: "1" };
    const transaction = await holdTransaction(app.database);
    held = transaction;
    await withReplica(app.database.url, { env }, async ({ client }) => {
      const ids = await Promise.all(Array.from({ length: 12 }, openPastSession));
      await transaction.query(HOLD_DELETIONS);
      const sweeping = client.garbageCollect({});
      await untilBlockedBy(app.sql, transaction.pid);
      // The limit passes while the first row is being deleted.
      const { now } = performance;
      mock.method(performance, "now", () => now.call(performance) + 30_000);
      await transaction.commit();
      const first = await sweeping;
      mock.restoreAll();

      expect(first).to.include({ more: true, sessionsDeleted: 1 });
      const second = await client.garbageCollect({});
      const left = ids.length - first.sessionsDeleted;
      expect(second).to.include({ more: false, sessionsDeleted: left });
    });
  });

  it("end when the replica stops, without a connection or a logged failure (A24)", async () => {
    const lines: string[] = [];
    const id = await openPastSession();
    const transaction = await holdTransaction(app.database);
    held = transaction;
    // Before the replica starts, or its first sweep could be done by then.
    await transaction.query(HOLD_DELETIONS);
    const before = await connections();
    const options = { env: everySecond, onLog: (line: string) => lines.push(line) };
    await withReplica(app.database.url, options, async (replica) => {
      await untilBlockedBy(app.sql, transaction.pid);

      await replica.stop();

      // The lock is still held: the sweep was not waited for but ended.
      expect(await isGone(id)).to.equal(false);
      await until("the replica's connections are gone", async () => {
        return (await connections()).length <= before.length;
      });
      const failures = lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
      expect(failures).to.be.empty;
    });
  });
});

describe("sweep against Touch", () => {
  let replicas: TwoReplicas;
  before(async () => {
    const env = {
      SESSIOND_TOUCH_INTERVAL: "0s",
      SESSIOND_HISTORY_WINDOW: "0s",
      SESSIOND_SWEEP_BATCH_SIZE: "50",
    };
    replicas = await startTwoReplicas({ env });
  });
  after(() => replicas.stop());

  it("deletes no live session of 2000 that are touched (A23)", async () => {
    const { app, other } = replicas;
    const { id: original } = await openSession(app.client);
    const ids = await cloneSessions(app.sql, original, 2000);
    const old = await cloneSessions(app.sql, ids[0] ?? "", 2000);
    // These are past their deadline; the others go idle while the test runs.
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

    for (let start = 0; start < ids.length; start += 100) {
      // A few at a time, so that their touches come at about the time of their deadlines.
      const few = ids.slice(start, start + 100);
      await app.sql(
        `UPDATE sessions SET last_seen_at = statement_timestamp() - interval '30 minutes'
           + random() * interval '1 second' WHERE id = ANY ($1)`,
        [few],
      );
      await inParallel(20, few, async (id) => {
        await app.client.touch({ session: byId(id) }).then(
          () => touched.add(id),
          () => {},
        );
      });
    }
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
  });
});
