import { expect } from "chai";
import pg from "pg";
import { byId, newActor, openSession } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { sessionRow } from "../support/session-row.ts";
import { until } from "../support/until.ts";

const WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

describe("the wait for the synchronous standby", () => {
  let postgres: OwnPostgres;
  let replica: Replica;

  before(async () => {
    postgres = await startOwnPostgres({ synchronous_commit: "on" });
    replica = await startReplica(postgres.server.url);
  });
  after(async () => {
    await replica?.stop();
    await postgres?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    replica.setStatementTimeout(600_000);
    await postgres.configure("synchronous_standby_names", "");
    await until("nothing waits", async () => (await waiting()) === 0);
  });

  async function waiting(): Promise<number> {
    return (await postgres.sql(`SELECT ${WAITING}`)).length;
  }

  /** From now on, no standby acknowledges a commit. */
  async function loseStandby(): Promise<void> {
    await postgres.configure("synchronous_standby_names", "absent");
    const client = new pg.Client({ connectionString: postgres.server.url });
    await client.connect();
    const commit = () => client.query("SELECT pg_logical_emit_message(true, 'test', '')");
    let committing = commit();
    await until("commits wait", async () => {
      const isDone = await Promise.race([committing.then(() => true), waiting().then(() => false)]);
      if (isDone) committing = commit();
      return (await waiting()) > 0;
    });
    await postgres.sql(`SELECT pg_cancel_backend(pid) ${WAITING}`);
    await committing;
    await client.end();
  }

  async function storedSessions(actorId: string): Promise<number> {
    const text = "SELECT FROM sessions WHERE actor_id = $1";
    return (await postgres.sql(text, [actorId])).length;
  }

  it("is no success where the statement timeout has cancelled it (P06)", async () => {
    await loseStandby();
    replica.setStatementTimeout(1000);
    const actor = newActor();
    await expectFailure(replica.client.create({ actor }), "STORAGE_UNAVAILABLE");
    // The change is there, and a failover to the standby would lose it.
    expect(await storedSessions(actor.actorId)).to.equal(1);
  });

  it("is no success where it ends a transaction (P06)", async () => {
    const { actor } = await openSession(replica.client);
    await loseStandby();
    replica.setStatementTimeout(1000);
    const request = { actor, reason: "admin_revoke", actingActorId: "admin-7" };
    await expectFailure(replica.client.revokeAllForActor(request), "STORAGE_UNAVAILABLE");
  });

  it("is no success where an operator has cancelled it (P06)", async () => {
    await loseStandby();
    const actor = newActor();
    const call = expectFailure(replica.client.create({ actor }), "STORAGE_UNAVAILABLE");
    await until("it is cancelled", async () => {
      await postgres.sql(`SELECT pg_cancel_backend(pid) ${WAITING}`);
      return (await storedSessions(actor.actorId)) === 1;
    });
    await call;
  });

  it("is no success for a role that gets no warnings, either (P06)", async () => {
    const url = new URL(postgres.server.url);
    url.searchParams.set("options", "-c client_min_messages=error");
    const quiet = await startReplica(url.href);
    try {
      await loseStandby();
      quiet.setStatementTimeout(1000);
      const actor = newActor();
      await expectFailure(quiet.client.create({ actor }), "STORAGE_UNAVAILABLE");
      expect(await storedSessions(actor.actorId)).to.equal(1);
    } finally {
      await quiet.stop();
    }
  });

  it("is no success for a Revoke of a session that was revoked in vain before (P06)", async () => {
    const { id } = await openSession(replica.client);
    await loseStandby();
    replica.setStatementTimeout(1000);
    const request = { session: byId(id), reason: "admin_revoke", actingActorId: "admin-7" };
    await expectFailure(replica.client.revoke(request), "STORAGE_UNAVAILABLE");
    await expectFailure(replica.client.revoke(request), "STORAGE_UNAVAILABLE");
    expect((await sessionRow(postgres, id))?.revoked_at).not.to.equal(null);

    await postgres.configure("synchronous_standby_names", "");
    replica.setStatementTimeout(600_000);
    const { revoked } = await replica.client.revoke(request);
    expect(revoked).to.equal(false);
  });
});
