import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { byCookie, byId, type OpenedSession, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { secondsSince } from "../support/seconds-since.ts";
import { sessionRow } from "../support/session-row.ts";

const MINUTE = 60;
const IDLE = 30 * MINUTE;

describe("touch", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  let start: number;
  beforeEach(() => {
    start = performance.now();
  });
  /** The time left is whole seconds, rounded down, and at most the time since `start` less. */
  function expectFullIdleTimeout(seconds: number): void {
    expect(seconds).to.be.within(Math.floor(IDLE - secondsSince(start)), IDLE);
  }

  const touchingValidate = ({ cookie }: OpenedSession) =>
    app.client.validate({ credential: { case: "cookie", value: cookie }, touch: true });

  it("moves the idle deadline, and not the absolute one (A06, A07, B05, fault 1)", async () => {
    const { id, cookie, created } = await openSession(app.client);
    await idle(app, id, 20 * MINUTE);
    const before = (await app.client.get({ session: byId(id) })).session;

    const { session, touched } = await app.client.touch({ session: byCookie(cookie) });

    expect(touched).to.equal(true);
    const movedBy = (key: "lastSeenAt" | "idleExpiresAt") =>
      timestampMs(session?.[key] as never) - timestampMs(before?.[key] as never);
    const movedBySeconds = movedBy("lastSeenAt") / 1000;
    expect(movedBySeconds).to.be.within(20 * MINUTE, 20 * MINUTE + secondsSince(start));
    expect(movedBy("idleExpiresAt")).to.equal(movedBy("lastSeenAt"));
    expect(session?.absoluteExpiresAt).to.deep.equal(created.session?.absoluteExpiresAt);
    const validated = await validate(app.client, cookie);
    expect(validated.session).to.deep.equal(session);
    expectFullIdleTimeout(validated.idleSecondsLeft);
  });

  it("is written by a touching Validate, but not twice within the interval (B05)", async () => {
    const opened = await openSession(app.client);
    await idle(app, opened.id, 20 * MINUTE);

    const first = await touchingValidate(opened);
    const second = await touchingValidate(opened);

    expect([first.touched, second.touched]).to.deep.equal([true, false]);
    expectFullIdleTimeout(first.idleSecondsLeft);
    expect(second.session).to.deep.equal(first.session);
  });

  it("is written once by many calls at once (fault 8)", async () => {
    const opened = await openSession(app.client);
    await idle(app, opened.id, MINUTE);

    const answers = await Promise.all(Array.from({ length: 50 }, () => touchingValidate(opened)));

    expect(answers.filter(({ touched }) => touched)).to.have.lengthOf(1);
  });

  for (const { id, reason, end } of [
    {
      id: "A06",
      reason: "EXPIRED_IDLE",
      end: (opened: OpenedSession) => idle(app, opened.id, IDLE),
    },
    {
      id: "A07",
      reason: "EXPIRED_ABSOLUTE",
      end: (opened: OpenedSession) => setAbsolute(app, opened.id, 0),
    },
    {
      id: "A08",
      reason: "REVOKED",
      end: (opened: OpenedSession) => app.client.revoke({ session: byCookie(opened.cookie) }),
    },
  ] as const) {
    it(`does not revive a session that is ${reason}, and changes nothing (${id}, B05)`, async () => {
      const opened = await openSession(app.client);
      await end(opened);
      const before = await sessionRow(app, opened.id);

      await expectFailure(app.client.touch({ session: byCookie(opened.cookie) }), reason);
      await expectFailure(app.client.touch({ session: byId(opened.id) }), reason);
      await expectFailure(touchingValidate(opened), reason);

      expect(await sessionRow(app, opened.id)).to.deep.equal(before);
    });
  }

  it("is refused for an unknown session (B05)", async () => {
    const unknown = byId(`ses-${"0".repeat(44)}`);
    await expectFailure(app.client.touch({ session: unknown }), "SESSION_NOT_FOUND");
  });
});
