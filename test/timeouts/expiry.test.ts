import { expect } from "chai";
import { SessionState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

const IDLE_SECONDS = 30 * 60;
const ABSOLUTE_SECONDS = 12 * 3600;

describe("behaviours: expiry and its order", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const stateOf = async (id: string) => (await app.client.get({ session: byId(id) })).session;

  it("A06: past the idle timeout a session is EXPIRED_IDLE, just before it is live", async () => {
    const { id, cookie } = await openSession(app.client);

    await idle(app, id, IDLE_SECONDS - 30);
    const { idleSecondsLeft } = await validate(app.client, cookie);
    expect(idleSecondsLeft).to.be.within(1, 30);

    await idle(app, id, IDLE_SECONDS);
    await expectFailure(validate(app.client, cookie), "EXPIRED_IDLE");
    expect(await stateOf(id)).to.include({
      state: SessionState.IDLE_EXPIRED,
      endReason: "idle_timeout",
    });
  });

  it("A06: neither Touch nor a touching Validate revives it", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, IDLE_SECONDS);
    const before = await sessionRow(app, id);

    await expectFailure(app.client.touch({ session: byCookie(cookie) }), "EXPIRED_IDLE");
    await expectFailure(app.client.touch({ session: byId(id) }), "EXPIRED_IDLE");
    const credential = { case: "cookie", value: cookie } as const;
    await expectFailure(app.client.validate({ credential, touch: true }), "EXPIRED_IDLE");

    expect(await sessionRow(app, id)).to.deep.equal(before);
  });

  it("A06: a Touch moves the idle deadline that Validate goes by", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, IDLE_SECONDS - 30);
    const { touched } = await app.client.touch({ session: byCookie(cookie) });
    const { idleSecondsLeft } = await validate(app.client, cookie);

    expect(touched).to.equal(true);
    expect(idleSecondsLeft).to.be.greaterThan(IDLE_SECONDS - 30);
  });

  it("A07: past the absolute timeout a session is EXPIRED_ABSOLUTE, however active", async () => {
    const { id, cookie } = await openSession(app.client);

    await age(app, id, ABSOLUTE_SECONDS - 30);
    await idle(app, id, 0);
    expect((await validate(app.client, cookie)).absoluteSecondsLeft).to.be.within(1, 30);

    await age(app, id, 30);
    await idle(app, id, 0);
    await expectFailure(validate(app.client, cookie), "EXPIRED_ABSOLUTE");
    await expectFailure(app.client.touch({ session: byCookie(cookie) }), "EXPIRED_ABSOLUTE");
    expect(await stateOf(id)).to.include({
      state: SessionState.ABSOLUTE_EXPIRED,
      endReason: "absolute_timeout",
    });
  });

  it("A07: no Touch moves the absolute deadline", async () => {
    const { id, cookie, created } = await openSession(app.client);
    await idle(app, id, 600);
    const { session, touched } = await app.client.touch({ session: byCookie(cookie) });

    expect(touched).to.equal(true);
    expect(session?.absoluteExpiresAt).to.deep.equal(created.session?.absoluteExpiresAt);
  });

  it("A07: the absolute timeout wins over the idle one", async () => {
    const { id, cookie } = await openSession(app.client);
    await idle(app, id, IDLE_SECONDS);
    await expectFailure(validate(app.client, cookie), "EXPIRED_IDLE");
    await setAbsolute(app, id, 0);
    await expectFailure(validate(app.client, cookie), "EXPIRED_ABSOLUTE");
  });

  it("A08: a revoked session is REVOKED, and stays so past its deadlines", async () => {
    const { id, cookie } = await openSession(app.client);
    await app.client.revoke({ session: byCookie(cookie) });
    await expectFailure(validate(app.client, cookie), "REVOKED");

    await age(app, id, 2 * ABSOLUTE_SECONDS);
    await expectFailure(validate(app.client, cookie), "REVOKED");
    await expectFailure(app.client.touch({ session: byId(id) }), "REVOKED");
    expect((await stateOf(id))?.state).to.equal(SessionState.REVOKED);
  });
});
