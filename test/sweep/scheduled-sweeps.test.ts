import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { age } from "../support/back-dating.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

const LONG_AGO = 30 * 24 * 3600;
const everySecond = { SESSIOND_SWEEP_SCHEDULE: "* * * * * *", SESSIOND_SWEEP_JITTER: "0s" };
/** Deletions wait for who holds this; reads go on. */
const HOLD_DELETIONS = "LOCK TABLE sessions IN SHARE MODE";

describe("behaviours: the sweep's loop", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

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

  it("A24, A27: it sweeps by itself, at the configured interval, and again", async () => {
    const live = await openSession(app.client);
    const replica = await startReplica(app.database.url, { env: everySecond });
    try {
      for (const _round of [1, 2]) {
        const id = await openPastSession();
        await until("the sweep deletes it", () => isGone(id));
      }
    } finally {
      await replica.stop();
    }
    await validate(app.client, live.cookie);
  });

  it("A24: never two at once, on one replica or on two", async () => {
    const other = await startReplica(app.database.url);
    const held = await holdTransaction(app.database);
    try {
      const id = await openPastSession();
      await held.query(HOLD_DELETIONS);
      const first = app.client.garbageCollect({});
      await untilBlockedBy(app.sql, held.pid);

      for (const { client } of [app, other]) {
        const second = await client.garbageCollect({});
        expect(second).to.include({ alreadyRunning: true, sessionsDeleted: 0, more: false });
      }
      await held.commit();
      expect(await first).to.include({ alreadyRunning: false, sessionsDeleted: 1 });
      expect(await isGone(id)).to.equal(true);
      expect((await other.client.garbageCollect({})).alreadyRunning).to.equal(false);
    } finally {
      await held.end();
      await other.stop();
    }
  });

  it("A24: a replica that is lost in the middle of a sweep does not keep others from it", async () => {
    const proxy = await startDatabaseProxy(app.database.url);
    const lost = await startReplica(proxy.url);
    const held = await holdTransaction(app.database);
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

  it("A24: a sweep stops at its time limit, says that there is more, and the next goes on", async () => {
    const env = { SESSIOND_SWEEP_TIME_LIMIT: "1s", SESSIOND_SWEEP_BATCH_SIZE: "1" };
    const replica = await startReplica(app.database.url, { env });
    try {
      const ids = await Promise.all(Array.from({ length: 12 }, openPastSession));
      // A third of the limit for each row: not all of them fit in.
      await app.sql(`
        CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_sleep(0.35); RETURN OLD; END $$`);
      await app.sql(`
        CREATE TRIGGER dawdle BEFORE DELETE ON sessions
        FOR EACH ROW EXECUTE FUNCTION dawdle()`);
      const first = await replica.client.garbageCollect({});
      await app.sql("DROP FUNCTION dawdle CASCADE");

      expect(first.more).to.equal(true);
      expect(first.sessionsDeleted).to.be.within(1, ids.length - 1);
      const second = await replica.client.garbageCollect({});
      expect(second).to.include({
        more: false,
        sessionsDeleted: ids.length - first.sessionsDeleted,
      });
    } finally {
      await replica.stop();
    }
  });

  it("A24: stopping ends a sweep at work, leaves no connection and calls it no failure", async () => {
    const lines: string[] = [];
    const held = await holdTransaction(app.database);
    const before = await connections();
    const replica = await startReplica(app.database.url, {
      env: everySecond,
      onLog: (line) => lines.push(line),
    });
    try {
      const id = await openPastSession();
      await held.query(HOLD_DELETIONS);
      await untilBlockedBy(app.sql, held.pid);

      await replica.stop();

      // The lock is still held: the sweep was not waited for but ended.
      expect(await isGone(id)).to.equal(false);
      await until("the replica's connections are gone", async () => {
        return (await connections()).length <= before.length;
      });
      const failures = lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
      expect(failures).to.be.empty;
    } finally {
      await held.end();
      await replica.stop();
    }
  });
});
