import { expect } from "chai";
import { byCookie, byId, newActor, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy } from "../support/audit-rows.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type FrozenClock, freezeClock } from "../support/frozen-clock.ts";
import { T0 } from "../support/session-fixtures.ts";

const GRACE_MS = 1500;
const grace = { seconds: 1n, nanos: 500_999_999 };
const longGrace = { seconds: 30n, nanos: 0 };

describe("the grace of RotateSession (F09)", () => {
  let app: TestApp;
  let frozen: Replica;
  let clock: FrozenClock;
  before(async () => {
    app = await startTestApp();
    clock = await freezeClock(app.database, T0);
    frozen = await startReplica(clock.url);
  });
  after(async () => {
    await frozen?.stop();
    await app?.stop();
  });

  /** An old session whose grace lasts longer than the test, and its successor. */
  async function rotated() {
    const actor = newActor();
    const old = await openSession(app.client, { actor });
    const response = await app.client.rotateSession({
      session: byCookie(old.cookie),
      grace: longGrace,
    });
    const { cookie, csrfToken, session } = response;
    return { actor, old, next: { id: session?.id ?? "", cookie, csrfToken } };
  }
  const isLive = async (id: string) =>
    (await app.client.get({ session: byId(id) })).session?.endedAt === undefined;

  for (const [offset, accepted] of [
    [-1, true],
    [0, false],
    [1, false],
  ] as const) {
    it(`${accepted ? "accepts" : "refuses"} the old cookie ${offset} ms after its end`, async () => {
      await clock.set(T0);
      const { cookie } = await openSession(frozen.client);
      const { session } = await frozen.client.rotateSession({ session: byCookie(cookie), grace });
      await clock.set(T0 + GRACE_MS + offset);
      const call = validate(frozen.client, cookie);
      if (accepted) expect((await call).session?.id).to.equal(session?.id);
      else await expectFailure(call, "REVOKED");
    });
  }

  it("takes the old cookie with the old CSRF token, and the new with the new", async () => {
    const { old, next } = await rotated();
    const check = (cookie: string, csrfToken: string) =>
      app.client.validateCsrf({ session: byCookie(cookie), csrfToken });
    expect((await check(old.cookie, old.csrfToken)).session?.id).to.equal(next.id);
    expect((await check(next.cookie, next.csrfToken)).session?.id).to.equal(next.id);
    await expectFailure(check(old.cookie, next.csrfToken), "CSRF_MISMATCH");
    await expectFailure(check(next.cookie, old.csrfToken), "CSRF_MISMATCH");
    const credential = { case: "cookie", value: old.cookie } as const;
    await app.client.validate({ credential, csrfToken: old.csrfToken });
    const wrong = app.client.validate({ credential, csrfToken: next.csrfToken });
    await expectFailure(wrong, "CSRF_MISMATCH");
  });

  it("makes Validate, Get and Touch of the old cookie act on the new session", async () => {
    const { old, next } = await rotated();
    await idle(app, next.id, 60);
    const session = byCookie(old.cookie);
    const touched = await app.client.touch({ session });
    expect([touched.session?.id, touched.touched]).to.deep.equal([next.id, true]);
    const validated = await validate(app.client, old.cookie);
    expect(validated.session).to.deep.equal(touched.session);
    expect((await app.client.get({ session })).session).to.deep.equal(touched.session);
    const header = `__Host-session=${old.cookie}`;
    const byHeader = await app.client.validate({
      credential: { case: "cookieHeader", value: header },
    });
    expect(byHeader.session?.id).to.equal(next.id);
  });

  it("makes UpdateMetadata and RotateCsrf of the old cookie act on the new session", async () => {
    const { old, next } = await rotated();
    const session = byCookie(old.cookie);
    const metadata = { theme: "dark" };
    await app.client.updateMetadata({ session, metadata });
    expect((await validate(app.client, next.cookie)).session?.metadata).to.deep.equal(metadata);
    const { rotated: tokens } = await app.client.rotateCsrf({
      target: { case: "session", value: session },
    });
    expect(tokens[0]?.sessionId).to.equal(next.id);
    const csrfToken = tokens[0]?.csrfToken ?? "";
    await app.client.validateCsrf({ session: byCookie(next.cookie), csrfToken });
  });

  it("makes Revoke of the old cookie log out the new session", async () => {
    const { old, next } = await rotated();
    const { revoked, session } = await app.client.revoke({ session: byCookie(old.cookie) });
    expect([revoked, session?.id]).to.deep.equal([true, next.id]);
    for (const { cookie } of [old, next]) {
      await expectFailure(validate(app.client, cookie), "REVOKED");
    }
  });

  it("makes `current`, `keep` and `replaces` name the new session by the old cookie", async () => {
    const { actor, old, next } = await rotated();
    const session = byCookie(old.cookie);
    const { sessions } = await app.client.list({ actor, current: session });
    expect(sessions.map(({ id, current }) => [id, current])).to.deep.equal([[next.id, true]]);
    const all = { actor, reason: "password_change", actingActorId: actor.actorId };
    await app.client.revokeAllForActor({ ...all, keep: session });
    expect(await isLive(next.id)).to.equal(true);
    const login = await app.client.create({ actor, replaces: session });
    expect(login.replacedSessionId).to.equal(next.id);
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
  });

  it("lets an id name the old session only", async () => {
    const { old } = await rotated();
    await expectFailure(app.client.touch({ session: byId(old.id) }), "REVOKED");
    const { session } = await app.client.get({ session: byId(old.id) });
    expect([session?.id, session?.revokeReason]).to.deep.equal([old.id, "rotated"]);
  });

  it("ends with a Revoke of the old session's id, which leaves the new session live", async () => {
    const { old, next } = await rotated();
    await validate(app.client, old.cookie);
    const audit = await auditedBy(app.sql, async () => {
      const request = { session: byId(old.id), reason: "ban", actingActorId: "admin" };
      for (const _ of ["once", "and again"]) {
        const { revoked, session } = await app.client.revoke(request);
        expect([revoked, session?.id]).to.deep.equal([false, old.id]);
        expect(session?.revokeReason).to.equal("rotated");
      }
    });
    expect(
      audit.map(({ action, resource_id, acting_actor_id }) => ({
        action,
        resource_id,
        acting_actor_id,
      })),
    ).to.deep.equal([
      { action: "auth.session_grace_ended", resource_id: old.id, acting_actor_id: "admin" },
    ]);
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
    await validate(app.client, next.cookie);
  });

  it("ends with the new session, however that ends", async () => {
    const ends: Record<string, (of: Awaited<ReturnType<typeof rotated>>) => Promise<unknown>> = {
      REVOKED: ({ next }) => app.client.revoke({ session: byCookie(next.cookie) }),
      EXPIRED_IDLE: ({ next }) => idle(app, next.id, 1800),
    };
    for (const [reason, end] of Object.entries(ends)) {
      const session = await rotated();
      await validate(app.client, session.old.cookie);
      await end(session);
      await expectFailure(validate(app.client, session.old.cookie), reason as "REVOKED");
    }
    const { actor, old } = await rotated();
    const all = { actor, reason: "disabled", actingActorId: "admin" };
    expect((await app.client.revokeAllForActor(all)).revokedCount).to.equal(1);
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
  });

  it("does not let the old cookie rotate the session again", async () => {
    const { old, next } = await rotated();
    const call = app.client.rotateSession({ session: byCookie(old.cookie), grace: longGrace });
    await expectFailure(call, "REVOKED");
    expect((await validate(app.client, next.cookie)).session?.id).to.equal(next.id);
  });

  it("reaches over several rotations, unless one of them had no grace", async () => {
    const { old, next } = await rotated();
    const third = await app.client.rotateSession({
      session: byCookie(next.cookie),
      grace: longGrace,
    });
    for (const { cookie, csrfToken } of [old, next, third]) {
      const credential = { case: "cookie", value: cookie } as const;
      const { session } = await app.client.validate({ credential, csrfToken });
      expect(session?.id).to.equal(third.session?.id);
    }
    await app.client.rotateSession({ session: byCookie(third.cookie) });
    for (const { cookie } of [old, next, third]) {
      await expectFailure(validate(app.client, cookie), "REVOKED");
    }
  });

  it("is not opened by a revocation with the reason `rotated`", async () => {
    const { cookie } = await openSession(app.client);
    await app.client.revoke({ session: byCookie(cookie), reason: "rotated" });
    await expectFailure(validate(app.client, cookie), "REVOKED");
  });
});
