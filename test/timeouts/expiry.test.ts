import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newActor, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { secondsSince } from "../support/seconds-since.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const IDLE = 30 * MINUTE;
const ABSOLUTE = 12 * HOUR;

describe("expiry", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const read = async (id: string) => (await app.client.get({ session: byId(id) })).session;

  let start: number;
  beforeEach(() => {
    start = performance.now();
  });
  /** The time left is whole seconds, rounded down, and at most the time since `start` less. */
  function expectAbout(seconds: number, expected: number): void {
    expect(seconds).to.be.within(Math.floor(expected - secondsSince(start)), expected);
  }

  it("refuses a session past its idle timeout with EXPIRED_IDLE, not just before (A06, C01)", async () => {
    const { id, cookie } = await openSession(app.client);

    await idle(app, id, IDLE - 30);
    expect((await validate(app.client, cookie)).idleSecondsLeft).to.be.within(1, 30);

    await idle(app, id, IDLE);
    await expectFailure(validate(app.client, cookie), "EXPIRED_IDLE");
    const session = await read(id);
    expect(session).to.include({ state: SessionState.IDLE_EXPIRED, endReason: "idle_timeout" });
    expect(session?.endedAt).to.deep.equal(session?.idleExpiresAt);
    const byItsCookie = await app.client.get({ session: byCookie(cookie) });
    expect(byItsCookie.session).to.deep.equal(session);
  });

  it("refuses a session past its absolute timeout with EXPIRED_ABSOLUTE, however active (A07, B04)", async () => {
    const { id, cookie } = await openSession(app.client);

    await age(app, id, ABSOLUTE - 30);
    await idle(app, id, 0);
    expect((await validate(app.client, cookie)).absoluteSecondsLeft).to.be.within(1, 30);

    await age(app, id, 30);
    await idle(app, id, 0);
    await expectFailure(validate(app.client, cookie), "EXPIRED_ABSOLUTE");
    const session = await read(id);
    expect(session).to.include({
      state: SessionState.ABSOLUTE_EXPIRED,
      endReason: "absolute_timeout",
    });
    expect(session?.endedAt).to.deep.equal(session?.absoluteExpiresAt);
  });

  it("gives the absolute timeout precedence over the idle one (A07)", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, IDLE);
    await expectFailure(validate(app.client, cookie), "EXPIRED_IDLE");
    await setAbsolute(app, id, 0);
    await expectFailure(validate(app.client, cookie), "EXPIRED_ABSOLUTE");
  });

  it("refuses a revoked session with REVOKED, past its deadlines too (A08, D04)", async () => {
    const { id, cookie } = await openSession(app.client);
    await app.client.revoke({ session: byCookie(cookie) });
    await expectFailure(validate(app.client, cookie), "REVOKED");
    const before = await read(id);

    await age(app, id, 2 * ABSOLUTE);

    await expectFailure(validate(app.client, cookie), "REVOKED");
    await expectFailure(app.client.touch({ session: byId(id) }), "REVOKED");
    const session = await read(id);
    expect(session).to.include({ state: SessionState.REVOKED, endReason: "logout" });
    expect(timestampMs(session?.endedAt as never)).to.equal(
      timestampMs(before?.revokedAt as never) - 2 * ABSOLUTE * 1000,
    );
  });

  it("refuses the cookie of a deleted session with INVALID_COOKIE (B03)", async () => {
    const { id, cookie } = await openSession(app.client);
    await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
    await expectFailure(validate(app.client, cookie), "INVALID_COOKIE");
  });

  it("dates the end of an expired session at its expiry, and keeps who it was (B04)", async () => {
    const { id, actor } = await openSession(app.client, { userAgent: "Browser/1" });
    await age(app, id, 3 * HOUR);

    const session = await read(id);

    expect(session).to.include({ ...actor, state: SessionState.IDLE_EXPIRED });
    expect(session).to.include({ endReason: "idle_timeout", userAgent: "Browser/1" });
    expect(session?.endedAt).to.deep.equal(session?.idleExpiresAt);
    expect(session?.revokedAt).to.equal(undefined);
  });

  it("dates the end at the earlier deadline once both have passed (B04)", async () => {
    const { id } = await openSession(app.client);
    await age(app, id, ABSOLUTE + MINUTE);

    const session = await read(id);

    expect(session?.state).to.equal(SessionState.ABSOLUTE_EXPIRED);
    expect(session?.endReason).to.equal("idle_timeout");
    expect(session?.endedAt).to.deep.equal(session?.idleExpiresAt);
  });

  for (const { expire, reason, endReason } of [
    {
      expire: (id: string) => idle(app, id, IDLE + MINUTE),
      reason: "EXPIRED_IDLE",
      endReason: "idle_timeout",
    },
    {
      expire: (id: string) => setAbsolute(app, id, -MINUTE),
      reason: "EXPIRED_ABSOLUTE",
      endReason: "absolute_timeout",
    },
  ] as const) {
    it(`keeps the end of an ${reason} session that is revoked afterwards (B04, D04)`, async () => {
      const { id, actor, cookie } = await openSession(app.client);
      await expire(id);

      const answer = await app.client.revoke({ session: byCookie(cookie) });

      expect(answer.revoked).to.equal(false);
      expect(answer.session?.endReason).to.equal(endReason);
      const { sessions } = await app.client.list({ actor, includeEnded: true });
      expect(sessions.map((session) => [session.id, session.endReason])).to.deep.equal([
        [id, endReason],
      ]);
      await expectFailure(validate(app.client, cookie), reason);
    });
  }

  for (const { idleLeft, absoluteLeft, warning } of [
    { idleLeft: 30 * MINUTE, absoluteLeft: 5 * MINUTE, warning: true },
    { idleLeft: 20 * MINUTE, absoluteLeft: ABSOLUTE, warning: false },
    { idleLeft: 5 * MINUTE, absoluteLeft: 40 * MINUTE, warning: true },
    { idleLeft: 6 * MINUTE, absoluteLeft: 10 * HOUR, warning: false },
    { idleLeft: 5 * MINUTE, absoluteLeft: 10 * HOUR, warning: true },
    { idleLeft: 29 * MINUTE, absoluteLeft: 31 * MINUTE, warning: false },
    { idleLeft: 29 * MINUTE, absoluteLeft: 30 * MINUTE, warning: true },
  ]) {
    const minutes = `${idleLeft / MINUTE} idle and ${absoluteLeft / MINUTE} absolute minutes`;
    const warns = warning ? "warns" : "does not warn";
    it(`tells who it is and that ${minutes} are left, and ${warns} (B03, B10, C01)`, async () => {
      const actor = newActor({ actorType: "service_account" });
      const { id, cookie } = await openSession(app.client, { actor });
      await idle(app, id, IDLE - idleLeft);
      await setAbsolute(app, id, absoluteLeft);

      const answer = await validate(app.client, cookie);

      expect(answer.session).to.include({ ...actor, id, state: SessionState.ACTIVE });
      expectAbout(answer.idleSecondsLeft, idleLeft);
      expectAbout(answer.absoluteSecondsLeft, absoluteLeft);
      expect(answer.secondsLeft).to.equal(
        idleLeft < absoluteLeft ? answer.idleSecondsLeft : answer.absoluteSecondsLeft,
      );
      expect(answer.expiryWarning).to.equal(warning);
    });
  }
});
