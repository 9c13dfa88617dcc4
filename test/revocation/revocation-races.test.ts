import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newActor, openSession, validate } from "../support/actors.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

describe("revocation races", () => {
  let replicas: TwoReplicas;

  before(async () => {
    // Every touch is a write, so that there is something to race with.
    replicas = await startTwoReplicas({ env: { SESSIOND_TOUCH_INTERVAL: "0s" } });
  });
  after(() => replicas.stop());

  it("is effective on the other replica once Revoke has been acknowledged (ASVS 7.4.1)", async () => {
    const { app, other } = replicas;

    await inParallel(10, numbers(300), async () => {
      const { id, cookie } = await openSession(app.client);
      // The other replica knows the session, and validates it while it ends.
      await validate(other.client, cookie);
      const racing = numbers(3).map(() => validate(other.client, cookie).catch(() => {}));

      await app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "user" });

      await expectFailure(validate(other.client, cookie), "REVOKED");
      await Promise.all(racing);
      await expectFailure(validate(other.client, cookie), "REVOKED");
    });
  });

  it("makes the other replica refuse the old token once a CSRF rotation has been acknowledged", async () => {
    const { app, other } = replicas;

    await inParallel(10, numbers(100), async () => {
      const { cookie, csrfToken } = await openSession(app.client);
      const session = byCookie(cookie);
      await other.client.validateCsrf({ session, csrfToken });

      const { rotated } = await app.client.rotateCsrf({
        target: { case: "session", value: session },
      });

      await expectFailure(other.client.validateCsrf({ session, csrfToken }), "CSRF_MISMATCH");
      await other.client.validateCsrf({ session, csrfToken: rotated[0]?.csrfToken ?? "" });
    });
  });

  it("makes the other replica refuse a session once a login has replaced it", async () => {
    const { app, other } = replicas;

    await inParallel(10, numbers(100), async () => {
      const { actor, cookie } = await openSession(app.client);
      await validate(other.client, cookie);

      const login = await openSession(app.client, { actor, replaces: byCookie(cookie) });

      await expectFailure(validate(other.client, cookie), "REVOKED");
      await validate(other.client, login.cookie);
    });
  });

  it("revives no session in 2000 interleavings of Touch and Revoke", async () => {
    const { app, other } = replicas;
    const { id: original } = await openSession(app.client);
    const ids = await cloneSessions(app.sql, original, 2000);
    const outcomes = { touched: 0, refused: 0 };

    await inParallel(10, ids.entries(), async ([index, id]) => {
      const session = byId(id);
      const touch = () =>
        other.client.touch({ session }).then(
          () => {
            outcomes.touched += 1;
          },
          () => {
            outcomes.refused += 1;
          },
        );
      const revoke = () => app.client.revoke({ session, reason: "logout", actingActorId: "user" });
      // In one of ten the touches come first, in one of ten the revocation; in the others they meet.
      if (index % 10 === 0) await touch();
      const early = index % 10 === 1 ? await revoke() : undefined;
      const touches = Promise.all([touch(), touch()]);
      for (let turns = Math.floor(20 * Math.random()); turns > 0; turns -= 1) await nextTurn();
      const revoked = early ?? (await revoke());
      await touches;
      expect(revoked.revoked).to.equal(true);
    });

    const states = await app.sql(
      `SELECT count(*)::integer AS count FROM sessions
       WHERE id = ANY ($1) AND revoked_at IS NOT NULL AND revoke_reason = 'logout'`,
      [ids],
    );
    expect(states).to.deep.equal([{ count: 2000 }]);
    expect(outcomes.touched, "those that came first").to.be.at.least(200);
    expect(outcomes.refused, "those that came second").to.be.at.least(400);
    for (const id of ids.slice(0, 20)) {
      await expectFailure(other.client.touch({ session: byId(id) }), "REVOKED");
      const { session } = await other.client.get({ session: byId(id) });
      expect(session?.state).to.equal(SessionState.REVOKED);
    }
  });

  it("ends every session acknowledged before RevokeAllForActor, against 100 Creates (ASVS 7.4.2)", async () => {
    const { app, other } = replicas;
    for (const round of numbers(5)) {
      const actor = newActor();
      const acknowledged: string[] = [];
      const creates = numbers(100).map(async (index) => {
        const { cookie } = await openSession(index % 2 ? app.client : other.client, { actor });
        acknowledged.push(cookie);
        return cookie;
      });
      // It starts when a part of them, another one in each round, has been answered.
      await Promise.all(creates.slice(0, 10 + 20 * round));

      const before = [...acknowledged];
      const request = { actor, reason: "disabled", actingActorId: "admin" };
      const { revokedCount } = await app.client.revokeAllForActor(request);

      expect(before).to.have.length.greaterThan(0);
      expect(revokedCount).to.be.at.least(before.length);
      await inParallel(10, before, (cookie) =>
        expectFailure(validate(other.client, cookie), "REVOKED"),
      );
      // Those that came later are counted by the next call: no session is missed or counted twice.
      const cookies = await Promise.all(creates);
      const later = await other.client.revokeAllForActor(request);
      expect(revokedCount + later.revokedCount).to.equal(100);
      await inParallel(10, cookies, (cookie) =>
        expectFailure(validate(app.client, cookie), "REVOKED"),
      );
    }
  });

  it("fails no call of RotateCsrf for an actor against RevokeAllForActor", async () => {
    const { app, other } = replicas;
    const { id: original, actor } = await openSession(app.client);
    const request = { actor, reason: "disabled", actingActorId: "admin" };
    let rotations = 0;

    for (const round of numbers(40)) {
      // The original stays ended, but its copies of this round are live, in the order of their ids
      // and not in the order in which they lie in the table.
      await app.sql(
        "UPDATE sessions SET revoked_at = NULL, revoke_reason = '', revoked_by = '' WHERE id = $1",
        [original],
      );
      if (round === 0) await cloneSessions(app.sql, original, 60);
      await app.sql(
        `UPDATE sessions SET revoked_at = NULL, revoke_reason = '', revoked_by = ''
         WHERE actor_id = $1 AND random() < 0.7`,
        [actor.actorId],
      );
      const rotate = () =>
        other.client
          .rotateCsrf({ target: { case: "actor", value: actor }, actingActorId: "admin" })
          .then(({ rotated }) => {
            rotations += rotated.length;
          });
      await Promise.all([rotate(), app.client.revokeAllForActor(request), rotate(), rotate()]);
    }

    expect(rotations, "they met").to.be.greaterThan(0);
  });
});
