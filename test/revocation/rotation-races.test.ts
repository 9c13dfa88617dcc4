import { expect } from "chai";
import { byCookie, byId, type newActor, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { untilQueuedBehind, untilQueuedSecond } from "../support/until.ts";

const grace = { seconds: 30n, nanos: 0 };
const LOCK_ROW = "SELECT FROM sessions WHERE id = $1 FOR UPDATE";

describe("races of RotateSession (F09)", () => {
  let replicas: TwoReplicas;
  let limited: Replica;
  let rejecting: Replica;
  let held: HeldTransaction | undefined;
  before(async () => {
    replicas = await startTwoReplicas({ env: { SESSIOND_TOUCH_INTERVAL: "0s" } });
    limited = await startReplica(replicas.app.database.url, {
      env: { SESSIOND_MAX_SESSIONS_PER_ACTOR: "1" },
    });
    rejecting = await startReplica(replicas.app.database.url, {
      env: { SESSIOND_MAX_SESSIONS_PER_ACTOR: "1", SESSIOND_SESSION_LIMIT_POLICY: "reject" },
    });
  });
  afterEach(() => held?.end());
  after(async () => {
    await rejecting?.stop();
    await limited?.stop();
    await replicas?.stop();
  });

  const liveOf = async (actor: ReturnType<typeof newActor>) =>
    (await replicas.app.client.list({ actor })).sessions.map(({ id }) => id);

  const rotations = [
    ["without a grace", {}],
    ["with a grace", { grace }],
  ] as const;
  for (const [how, request] of rotations) {
    it(`lets exactly one of ten calls on two replicas succeed, ${how}`, async () => {
      const { app, other } = replicas;
      await inParallel(4, numbers(20), async () => {
        const { actor, cookie } = await openSession(app.client);
        const outcomes = await Promise.allSettled(
          numbers(10).map((index) =>
            (index % 2 ? app : other).client.rotateSession({
              session: byCookie(cookie),
              ...request,
            }),
          ),
        );
        const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
        expect(won).to.have.length(1);
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") {
            await expectFailure(Promise.reject(outcome.reason), "REVOKED");
          }
        }
        const winner = won[0]?.value;
        expect(await liveOf(actor)).to.deep.equal([winner?.session?.id]);
        await validate(app.client, winner?.cookie ?? "");
      });
    });
  }

  /** A rotation that has the lock of its actor and waits for the row of its session. */
  async function waitingRotation(request: { grace?: typeof grace } = { grace }) {
    const { app } = replicas;
    const { id, actor, cookie } = await openSession(app.client);
    held = await holdTransaction(app.database);
    await held.query(LOCK_ROW, [id]);
    const rotation = app.client.rotateSession({ session: byCookie(cookie), ...request });
    rotation.catch(() => {});
    await untilQueuedBehind(app.sql, held.pid, app);
    return { id, actor, cookie, rotation, held };
  }

  type Waiting = Awaited<ReturnType<typeof waitingRotation>>;
  const namings = {
    cookie: ({ cookie }: Waiting) => byCookie(cookie),
    id: ({ id }: Waiting) => byId(id),
  };
  for (const [how, request] of rotations) {
    for (const [what, naming] of Object.entries(namings)) {
      it(`leaves nothing live after a Revoke by ${what} that comes while one ${how} is under way`, async () => {
        const { app, other } = replicas;
        const waiting = await waitingRotation(request);
        const { actor, cookie, rotation, held } = waiting;
        const revoke = { session: naming(waiting), reason: "logout", actingActorId: "alice" };
        const revocation = other.client.revoke(revoke);
        await untilQueuedSecond(replicas.app.sql, other);

        await held.commit();

        const { session, cookie: next } = await rotation;
        expect(await revocation).to.deep.include({ revoked: true });
        expect((await revocation).session?.id).to.equal(session?.id);
        expect(await liveOf(actor)).to.deep.equal([]);
        for (const value of [cookie, next]) {
          await expectFailure(validate(app.client, value), "REVOKED");
        }
      });

      it(`leaves a login alone live that replaces a session by ${what} while one ${how} is under way`, async () => {
        const { app } = replicas;
        for (const replica of [replicas.other, rejecting]) {
          const waiting = await waitingRotation(request);
          const { actor, cookie, rotation, held } = waiting;
          const login = openSession(replica.client, { actor, replaces: naming(waiting) });
          await untilQueuedSecond(replicas.app.sql, replica);

          await held.commit();

          const { session, cookie: next } = await rotation;
          const { id, created } = await login;
          expect(created.replacedSessionId).to.equal(session?.id);
          expect(await liveOf(actor)).to.deep.equal([id]);
          for (const value of [cookie, next]) {
            await expectFailure(validate(app.client, value), "REVOKED");
          }
        }
      });
    }
  }

  it("leaves nothing live after a RevokeAllForActor that comes while a rotation is under way", async () => {
    const { app, other } = replicas;
    const { actor, cookie, rotation, held } = await waitingRotation();
    const all = { actor, reason: "disabled", actingActorId: "admin" };
    const revocation = other.client.revokeAllForActor(all);
    await untilQueuedSecond(replicas.app.sql, other);

    await held.commit();

    const { cookie: next } = await rotation;
    expect((await revocation).revokedCount).to.equal(1);
    expect(await liveOf(actor)).to.deep.equal([]);
    for (const value of [cookie, next]) {
      await expectFailure(validate(app.client, value), "REVOKED");
    }
  });

  it("keeps the login that a RevokeAllForActor is to keep and that is rotated meanwhile", async () => {
    const { app, other } = replicas;
    const { actor, cookie, rotation, held } = await waitingRotation();
    await openSession(app.client, { actor });
    const keep = byCookie(cookie);
    const all = { actor, keep, reason: "logout_others", actingActorId: "alice" };
    const revocation = other.client.revokeAllForActor(all);
    await untilQueuedSecond(replicas.app.sql, other);

    await held.commit();

    const { session } = await rotation;
    expect((await revocation).revokedCount).to.equal(1);
    expect(await liveOf(actor)).to.deep.equal([session?.id]);
  });

  it("keeps nothing of a session that was rotated before the call and whose grace is over", async () => {
    const { app } = replicas;
    const { actor, cookie } = await openSession(app.client);
    await app.client.rotateSession({ session: byCookie(cookie) });
    const keep = byCookie(cookie);
    const all = { actor, keep, reason: "logout_others", actingActorId: "alice" };
    expect((await app.client.revokeAllForActor(all)).revokedCount).to.equal(1);
    expect(await liveOf(actor)).to.deep.equal([]);
  });

  it("leaves nothing live after a RevokeAllForActor, wherever a chain of rotations is", async () => {
    const { app, other } = replicas;
    let rotations = 0;
    await inParallel(5, numbers(60), async (round) => {
      const { actor, cookie } = await openSession(app.client);
      const cookies = [cookie];
      const rotate = async () => {
        for (;;) {
          const session = byCookie(cookies.at(-1) ?? "");
          cookies.push((await other.client.rotateSession({ session, grace })).cookie);
        }
      };
      const rotating = rotate().catch((error: unknown) => error);
      for (const _ of numbers(round % 6)) await validate(app.client, cookie);

      const all = { actor, reason: "disabled", actingActorId: "admin" };
      const { revokedCount } = await app.client.revokeAllForActor(all);

      expect(revokedCount).to.equal(1);
      await expectFailure(Promise.reject(await rotating), "REVOKED");
      expect(await liveOf(actor)).to.deep.equal([]);
      for (const value of cookies) {
        await expectFailure(validate(other.client, value), "REVOKED");
      }
      rotations += cookies.length - 1;
    });
    expect(rotations, "they met").to.be.greaterThan(0);
  });

  it("keeps to the session limit if a Create comes while a rotation is under way", async () => {
    const { actor, rotation, held } = await waitingRotation();
    const creation = openSession(limited.client, { actor });
    await untilQueuedSecond(replicas.app.sql, limited);

    await held.commit();

    const { session } = await rotation;
    const { id } = await creation;
    expect(await liveOf(actor)).to.deep.equal([id]);
    expect(session?.id).not.to.equal(id);
  });

  it("fails no request of a browser that rotates with a grace and sends others meanwhile", async () => {
    const { app, other } = replicas;
    await inParallel(4, numbers(20), async () => {
      const { cookie, csrfToken } = await openSession(app.client);
      let latest = { cookie, csrfToken };
      const browse = async (calls: number) => {
        for (const _ of numbers(calls)) {
          const { cookie: value, csrfToken } = latest;
          const credential = { case: "cookie", value } as const;
          await other.client.validate({ credential, csrfToken, touch: true });
        }
      };
      const browsing = numbers(3).map(() => browse(10));
      for (const _ of numbers(3)) {
        latest = await app.client.rotateSession({ session: byCookie(latest.cookie), grace });
      }
      await Promise.all(browsing);
    });
  });
});
