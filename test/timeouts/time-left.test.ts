import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newActor, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";

const MINUTE = 60;
const IDLE = 30 * MINUTE;
const ABSOLUTE = 12 * 60 * MINUTE;

describe("B and C: what a caller learns of a session's life", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** Whole seconds are rounded down and a call takes a moment, but not a quarter of a minute. */
  function expectAbout(seconds: number, expected: number): void {
    expect(seconds).to.be.within(expected - 15, expected);
  }

  it("B03: Validate tells who it is and how long for, with the idle deadline nearer", async () => {
    const actor = newActor({ actorType: "service_account" });
    const { id, cookie } = await openSession(app.client, { actor });
    await idle(app, id, 10 * MINUTE);

    const answer = await validate(app.client, cookie);

    expect(answer.session).to.include({ ...actor, id, state: SessionState.ACTIVE });
    expectAbout(answer.idleSecondsLeft, IDLE - 10 * MINUTE);
    expectAbout(answer.absoluteSecondsLeft, ABSOLUTE);
    expect(answer.secondsLeft).to.equal(answer.idleSecondsLeft);
  });

  it("B03: seconds_left is the absolute time left where that is the smaller", async () => {
    const { id, cookie } = await openSession(app.client);
    await setAbsolute(app, id, 5 * MINUTE);

    const answer = await validate(app.client, cookie);

    expectAbout(answer.absoluteSecondsLeft, 5 * MINUTE);
    expectAbout(answer.idleSecondsLeft, IDLE);
    expect(answer.secondsLeft).to.equal(answer.absoluteSecondsLeft);
  });

  it("B03: Validate tells why not: idle, absolute, not found", async () => {
    const [idled, over, gone] = await Promise.all([1, 2, 3].map(() => openSession(app.client)));
    await idle(app, idled?.id ?? "", IDLE);
    await setAbsolute(app, over?.id ?? "", 0);
    await app.sql("DELETE FROM sessions WHERE id = $1", [gone?.id]);

    await expectFailure(validate(app.client, idled?.cookie ?? ""), "EXPIRED_IDLE");
    await expectFailure(validate(app.client, over?.cookie ?? ""), "EXPIRED_ABSOLUTE");
    await expectFailure(validate(app.client, gone?.cookie ?? ""), "INVALID_COOKIE");
  });

  it("B04: an expired session ended at its expiry, not when somebody noticed", async () => {
    const { id, actor } = await openSession(app.client, { userAgent: "Browser/1" });
    await age(app, id, 3 * 60 * MINUTE);

    const { session } = await app.client.get({ session: byId(id) });

    expect(session).to.include({ ...actor, state: SessionState.IDLE_EXPIRED });
    expect(session).to.include({ endReason: "idle_timeout", userAgent: "Browser/1" });
    expect(session?.endedAt).to.deep.equal(session?.idleExpiresAt);
    expect(session?.revokedAt).to.equal(undefined);
  });

  it("B04: past both deadlines, the end is the earlier and the state the absolute", async () => {
    const { id } = await openSession(app.client);
    await age(app, id, ABSOLUTE + MINUTE);

    const { session } = await app.client.get({ session: byId(id) });

    expect(session?.state).to.equal(SessionState.ABSOLUTE_EXPIRED);
    expect(session?.endReason).to.equal("idle_timeout");
    expect(session?.endedAt).to.deep.equal(session?.idleExpiresAt);
  });

  it("B04: a session that was busy to the end ended by the absolute timeout", async () => {
    const { id } = await openSession(app.client);
    await setAbsolute(app, id, -MINUTE);

    const { session } = await app.client.get({ session: byId(id) });

    expect(session?.state).to.equal(SessionState.ABSOLUTE_EXPIRED);
    expect(session?.endReason).to.equal("absolute_timeout");
    expect(session?.endedAt).to.deep.equal(session?.absoluteExpiresAt);
  });

  it("B04: revoking a session that had expired leaves its end as it was", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    await idle(app, id, IDLE + MINUTE);

    const answer = await app.client.revoke({ session: byCookie(cookie) });

    expect(answer.revoked).to.equal(false);
    expect(answer.session?.endReason).to.equal("idle_timeout");
    const { sessions } = await app.client.list({ actor, includeEnded: true });
    expect(sessions.map((session) => [session.id, session.endReason])).to.deep.equal([
      [id, "idle_timeout"],
    ]);
  });

  it("B05: activity moves the idle deadline, not the absolute one", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, 20 * MINUTE);
    const before = (await app.client.get({ session: byId(id) })).session;

    const { session, touched } = await app.client.touch({ session: byCookie(cookie) });

    expect(touched).to.equal(true);
    const movedBy = (key: "lastSeenAt" | "idleExpiresAt") =>
      timestampMs(session?.[key] as never) - timestampMs(before?.[key] as never);
    expect(movedBy("lastSeenAt")).to.be.within(20 * MINUTE * 1000, 21 * MINUTE * 1000);
    expect(movedBy("idleExpiresAt")).to.equal(movedBy("lastSeenAt"));
    expect(session?.absoluteExpiresAt).to.deep.equal(before?.absoluteExpiresAt);
    expect((await validate(app.client, cookie)).session).to.deep.equal(session);
  });

  it("B05: Validate with touch records activity, but not within the interval", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, 20 * MINUTE);
    const credential = { case: "cookie", value: cookie } as const;

    const first = await app.client.validate({ credential, touch: true });
    const second = await app.client.validate({ credential, touch: true });

    expect([first.touched, second.touched]).to.deep.equal([true, false]);
    expectAbout(first.idleSecondsLeft, IDLE);
    expect(second.session).to.deep.equal(first.session);
  });

  it("writes only one of many touches at once (fault 8)", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, 60);
    const credential = { case: "cookie", value: cookie } as const;

    const answers = await Promise.all(
      Array.from({ length: 50 }, () => app.client.validate({ credential, touch: true })),
    );

    expect(answers.filter(({ touched }) => touched)).to.have.lengthOf(1);
  });

  it("B05: activity on an unknown or ended session is refused, changing nothing", async () => {
    const [idled, over, revoked] = await Promise.all([1, 2, 3].map(() => openSession(app.client)));
    await idle(app, idled?.id ?? "", IDLE);
    await setAbsolute(app, over?.id ?? "", 0);
    await app.client.revoke({ session: byCookie(revoked?.cookie ?? "") });
    const rows = () =>
      app.sql("SELECT * FROM sessions WHERE id = ANY ($1) ORDER BY id", [
        [idled?.id, over?.id, revoked?.id],
      ]);
    const before = await rows();

    const touch = (id = "") => app.client.touch({ session: byId(id) });
    await expectFailure(touch(idled?.id), "EXPIRED_IDLE");
    await expectFailure(touch(over?.id), "EXPIRED_ABSOLUTE");
    await expectFailure(touch(revoked?.id), "REVOKED");
    await expectFailure(touch(`ses-${"0".repeat(44)}`), "SESSION_NOT_FOUND");

    expect(await rows()).to.deep.equal(before);
  });

  for (const { name, idleLeft, absoluteLeft, warning } of [
    { name: "much", idleLeft: 29 * MINUTE, absoluteLeft: 600 * MINUTE, warning: false },
    { name: "6 minutes of idle", idleLeft: 6 * MINUTE, absoluteLeft: 600 * MINUTE, warning: false },
    { name: "5 minutes of idle", idleLeft: 5 * MINUTE, absoluteLeft: 600 * MINUTE, warning: true },
    { name: "31 minutes in all", idleLeft: 29 * MINUTE, absoluteLeft: 31 * MINUTE, warning: false },
    { name: "30 minutes in all", idleLeft: 29 * MINUTE, absoluteLeft: 30 * MINUTE, warning: true },
  ]) {
    it(`B10: the warning is ${warning ? "on" : "off"} where ${name} is left`, async () => {
      const { id, cookie } = await openSession(app.client);
      await idle(app, id, IDLE - idleLeft);
      await setAbsolute(app, id, absoluteLeft);

      expect((await validate(app.client, cookie)).expiryWarning).to.equal(warning);
    });
  }

  it("C01: the status by cookie has both times left, and the end has its reason", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, 25 * MINUTE);
    await setAbsolute(app, id, 40 * MINUTE);

    const answer = await validate(app.client, cookie);
    expectAbout(answer.idleSecondsLeft, 5 * MINUTE);
    expectAbout(answer.absoluteSecondsLeft, 40 * MINUTE);

    await idle(app, id, IDLE);
    const { session } = await app.client.get({ session: byCookie(cookie) });
    expect(session?.state).to.equal(SessionState.IDLE_EXPIRED);
    expect(session?.endReason).to.equal("idle_timeout");
    expect(session?.endedAt).to.deep.equal(session?.idleExpiresAt);
  });
});
