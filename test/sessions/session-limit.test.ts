import { expect } from "chai";
import {
  byCookie,
  newActor,
  newTenant,
  openSession,
  type TestActor,
  validate,
} from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy } from "../support/audit-rows.ts";
import { age, idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { holdTransaction } from "../support/transaction.ts";
import { untilQueuedBehind } from "../support/until.ts";

const LIMIT = 3;
const CREATES = 50;

describe("the limit of concurrent sessions (ASVS 7.1.2, F08)", () => {
  let evicting: TestApp;
  let rejecting: Replica;
  let unlimited: Replica;
  before(async () => {
    const limit = { SESSIOND_MAX_SESSIONS_PER_ACTOR: String(LIMIT) };
    evicting = await startTestApp({ env: limit });
    rejecting = await startReplica(evicting.database.url, {
      env: { ...limit, SESSIOND_SESSION_LIMIT_POLICY: "reject" },
    });
    unlimited = await startReplica(evicting.database.url);
    // Once all connections are open, Creates do run at once: while they are being opened, the
    // first one serves the others' calls one after the other.
    for (const { client } of [evicting, rejecting, unlimited]) {
      const calls = Array.from({ length: CREATES }, () => openSession(client));
      await Promise.all(calls);
    }
  });
  after(async () => {
    await unlimited.stop();
    await rejecting.stop();
    await evicting.stop();
  });

  const liveOf = async (actor: TestActor) =>
    (await evicting.client.list({ actor, pageSize: 200 })).sessions.map(({ id }) => id);
  const createAtOnce = (replica: Replica, actor: TestActor) =>
    Promise.allSettled(
      Array.from({ length: CREATES }, () => openSession(replica.client, { actor })),
    );
  const fulfilled = <T>(outcomes: PromiseSettledResult<T>[]) =>
    outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));

  it("evict_oldest lets 50 Creates at once succeed and leaves exactly the limit live", async () => {
    const actor = newActor();
    const audit = await auditedBy(evicting.sql, async () => {
      expect(fulfilled(await createAtOnce(evicting, actor))).to.have.length(CREATES);
    });
    expect(await liveOf(actor)).to.have.length(LIMIT);
    const evictions = audit.filter(({ action }) => action === "auth.session_revoked");
    expect(evictions).to.have.length(CREATES - LIMIT);
    expect(new Set(evictions.map((row) => row.resource_id)).size).to.equal(CREATES - LIMIT);
    for (const { acting_actor_id, details } of evictions) {
      expect([acting_actor_id, details.reason]).to.deep.equal([actor.actorId, "session_limit"]);
    }
  });

  it("reject lets exactly the limit of 50 Creates at once succeed", async () => {
    const actor = newActor();
    const outcomes = await createAtOnce(rejecting, actor);
    const opened = fulfilled(outcomes);
    expect(await liveOf(actor)).to.have.members(opened.map(({ id }) => id));
    expect(opened).to.have.length(LIMIT);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") await validate(rejecting.client, outcome.value.cookie);
      else await expectFailure(Promise.reject(outcome.reason), "SESSION_LIMIT_REACHED");
    }
  });

  it("no limit leaves all 50 live (the control)", async () => {
    const actor = newActor();
    await createAtOnce(unlimited, actor);
    expect(await liveOf(actor)).to.have.length(CREATES);
  });

  it("the two policies together keep to the limit, on two replicas at once", async () => {
    const actor = newActor();
    await Promise.all([createAtOnce(evicting, actor), createAtOnce(rejecting, actor)]);
    expect(await liveOf(actor)).to.have.length(LIMIT);
  });

  it("evict_oldest ends the oldest session", async () => {
    const actor = newActor();
    const opened = [];
    for (let index = 0; index < LIMIT; index += 1) {
      const session = await openSession(evicting.client, { actor });
      await age(evicting, session.id, 100 * (LIMIT - index));
      opened.push(session);
    }
    const [oldest, ...rest] = opened;
    const newest = await openSession(evicting.client, { actor });
    await expectFailure(validate(evicting.client, oldest?.cookie ?? ""), "REVOKED");
    expect(await liveOf(actor)).to.have.members([...rest, newest].map(({ id }) => id));
  });

  it("evict_oldest ends no other session if the oldest one ends meanwhile", async () => {
    const actor = newActor();
    const opened = [];
    for (let index = 0; index < LIMIT; index += 1) {
      const session = await openSession(evicting.client, { actor });
      await age(evicting, session.id, 100 * (LIMIT - index));
      opened.push(session);
    }
    const [oldest, ...rest] = opened;
    const held = await holdTransaction(evicting.database);
    try {
      const logout =
        "UPDATE sessions SET revoked_at = now(), revoke_reason = 'logout' WHERE id = $1";
      await held.query(logout, [oldest?.id]);
      const login = openSession(evicting.client, { actor });
      await untilQueuedBehind(evicting.sql, held.pid, evicting);
      await held.commit();
      const newest = await login;
      expect(await liveOf(actor)).to.have.members([...rest, newest].map(({ id }) => id));
    } finally {
      await held.end();
    }
  });

  it("evict_oldest enforces a lowered limit at the next Create", async () => {
    const actor = newActor();
    await createAtOnce(unlimited, actor);
    const newest = await openSession(evicting.client, { actor });
    const live = await liveOf(actor);
    expect(live).to.have.length(LIMIT);
    expect(live).to.include(newest.id);
  });

  it("reject allows another session as soon as one has ended, however it did", async () => {
    const actor = newActor();
    const create = () => openSession(rejecting.client, { actor });
    const [revoked, expired, idled] = [await create(), await create(), await create()];
    await expectFailure(create(), "SESSION_LIMIT_REACHED");

    await rejecting.client.revoke({ session: byCookie(revoked.cookie) });
    await create();
    await expectFailure(create(), "SESSION_LIMIT_REACHED");
    await age(evicting, expired.id, 13 * 3600);
    await create();
    await idle(evicting, idled.id, 1800);
    await create();
    await expectFailure(create(), "SESSION_LIMIT_REACHED");
  });

  it("reject allows a session that replaces another one", async () => {
    const actor = newActor();
    const opened = await openSession(rejecting.client, { actor });
    await openSession(rejecting.client, { actor });
    await openSession(rejecting.client, { actor });
    const replaces = byCookie(opened.cookie);
    const { created } = await openSession(rejecting.client, { actor, replaces });
    expect(created.replacedSessionId).to.equal(opened.id);
    expect(await liveOf(actor)).to.have.length(LIMIT);
    // It has ended by now, so that it makes no room a second time.
    await expectFailure(rejecting.client.create({ actor, replaces }), "SESSION_LIMIT_REACHED");
  });

  it("reject leaves the session that a refused Create was to replace as it was", async () => {
    const preLogin = await openSession(rejecting.client, { preLogin: true });
    const actor = newActor();
    await createAtOnce(rejecting, actor);
    const replaces = byCookie(preLogin.cookie);
    const audit = await auditedBy(evicting.sql, () =>
      expectFailure(rejecting.client.create({ actor, replaces }), "SESSION_LIMIT_REACHED"),
    );
    expect(audit).to.be.empty;
    const credential = { case: "cookie", value: preLogin.cookie } as const;
    await rejecting.client.validate({ credential, acceptPreLogin: true });
  });

  it("pre-login sessions are neither counted nor evicted", async () => {
    const actor = newActor();
    const preLogin = await openSession(evicting.client, { actor, preLogin: true });
    await age(evicting, preLogin.id, 60);
    await createAtOnce(evicting, actor);
    await openSession(evicting.client, { actor, preLogin: true });
    const credential = { case: "cookie", value: preLogin.cookie } as const;
    await evicting.client.validate({ credential, acceptPreLogin: true });
    expect(await liveOf(actor)).to.have.length(LIMIT + 2);
  });

  it("an actor of the same id in another tenant or of another type has a limit of its own", async () => {
    const actor = newActor();
    const others = [
      { ...actor, tenantId: newTenant() },
      { ...actor, actorType: "service_account" },
    ];
    await createAtOnce(rejecting, actor);
    for (const other of others) await openSession(rejecting.client, { actor: other });
    await expectFailure(rejecting.client.create({ actor }), "SESSION_LIMIT_REACHED");
  });
});
