import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byId, newActor, openSession } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { denialsOf } from "../support/audited-denials.ts";
import { idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type FrozenClock, freezeClock } from "../support/frozen-clock.ts";
import { MINUTE, T0 } from "../support/session-fixtures.ts";

const MAX_AGE_SECONDS = 300;
const MAX_AGE = MAX_AGE_SECONDS * 1000;

describe("authentication level, methods and age (F10)", () => {
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

  const facts = ({ authLevel, authMethods, authenticatedAt }: Session) => ({
    authLevel,
    authMethods,
    authenticatedAt: authenticatedAt && timestampMs(authenticatedAt),
  });
  const maxAuthAge = { seconds: BigInt(MAX_AGE_SECONDS), nanos: 0 };
  const validate = (
    { client }: Replica,
    cookie: string,
    more: Parameters<Replica["client"]["validate"]>[0] = {},
  ) => client.validate({ ...more, credential: { case: "cookie", value: cookie } });

  it("are in Create, Validate, Get and List as the login said", async () => {
    const at = Date.now() - MINUTE;
    const login = { authLevel: 2, authMethods: ["pwd", "otp"] };
    const { id, cookie, actor, created } = await openSession(app.client, {
      ...login,
      authenticatedAt: timestampFromMs(at),
    });
    const { sessions } = await app.client.list({ actor });
    const responses = [
      created,
      await validate(app, cookie),
      await app.client.get({ session: byId(id) }),
      { session: sessions[0] },
    ];
    for (const { session } of responses) {
      expect(facts(session as Session)).to.deep.equal({ ...login, authenticatedAt: at });
    }
  });

  it("are unknown, and as of now, if the login does not say", async () => {
    const { created } = await openSession(app.client);
    expect(facts(created.session as Session)).to.deep.equal({
      authLevel: 0,
      authMethods: [],
      authenticatedAt: timestampMs(created.session?.createdAt as never),
    });
  });

  it("are not there before login, and cannot be set", async () => {
    const { session } = await app.client.create({ preLogin: true });
    expect(facts(session as Session)).to.deep.equal({
      authLevel: 0,
      authMethods: [],
      authenticatedAt: undefined,
    });
    for (const [field, request] of [
      ["auth_level", { authLevel: 1 }],
      ["auth_methods", { authMethods: ["pwd"] }],
      ["authenticated_at", { authenticatedAt: timestampFromMs(T0) }],
    ] satisfies [string, Parameters<typeof app.client.create>[0]][]) {
      const call = app.client.create({ preLogin: true, ...request });
      await expectFailure(call, "INVALID_REQUEST", { field });
    }
  });

  for (const [offset, expected] of [
    [-1, T0 - 1],
    [0, T0],
    [1, T0],
    [365 * 24 * 60 * MINUTE, T0],
  ] as const) {
    it(`takes a time ${offset} ms from the database's as ${expected - T0} ms from it`, async () => {
      await clock.set(T0);
      const authenticatedAt = timestampFromMs(T0 + offset);
      const { session } = await frozen.client.create({ actor: newActor(), authenticatedAt });
      expect(facts(session as Session).authenticatedAt).to.equal(expected);
    });
  }

  for (const [offset, accepted] of [
    [-1, true],
    [0, true],
    [1, false],
  ] as const) {
    it(`${accepted ? "accepts" : "refuses"} ${offset} ms after the maximum age`, async () => {
      await clock.set(T0);
      const { cookie } = await openSession(frozen.client);
      await clock.set(T0 + MAX_AGE + offset);
      const call = validate(frozen, cookie, { maxAuthAge });
      if (accepted) await call;
      else await expectFailure(call, "STEP_UP_REQUIRED");
      await validate(frozen, cookie);
    });
  }

  it("goes by when the user authenticated, not by when the session was created or used", async () => {
    const { cookie } = await openSession(app.client, {
      authenticatedAt: timestampFromMs(Date.now() - 2 * MAX_AGE),
    });
    await validate(app, cookie, { touch: true });
    await expectFailure(validate(app, cookie, { maxAuthAge }), "STEP_UP_REQUIRED");
  });

  it("refuses a lower level than asked, and leaves the session live and untouched", async () => {
    const { id, cookie } = await openSession(app.client, { authLevel: 1 });
    await idle(app, id, 60);
    const read = async () => (await app.client.get({ session: byId(id) })).session;
    const before = await read();

    const call = validate(app, cookie, { minAuthLevel: 2, touch: true });
    const error = await expectFailure(call, "STEP_UP_REQUIRED");

    expect(error.rawMessage).to.equal("the user must authenticate again or more strongly");
    expect(await read()).to.deep.equal(before);
    await validate(app, cookie, { minAuthLevel: 1 });
    const [denial] = await denialsOf(app, id);
    expect(denial?.details.reason).to.equal("STEP_UP_REQUIRED");
  });

  it("refuses a pre-login session for any level or age", async () => {
    const { cookie } = await openSession(app.client, { preLogin: true });
    await validate(app, cookie, { acceptPreLogin: true });
    for (const asked of [{ minAuthLevel: 1 }, { maxAuthAge }]) {
      const call = validate(app, cookie, { acceptPreLogin: true, ...asked });
      await expectFailure(call, "STEP_UP_REQUIRED");
    }
  });

  it("comes after the other checks", async () => {
    const { cookie } = await openSession(app.client);
    await expectFailure(
      validate(app, cookie, { minAuthLevel: 1, csrfToken: "wrong" }),
      "CSRF_MISMATCH",
    );
    await expectFailure(validate(app, "nonsense", { minAuthLevel: 1 }), "INVALID_COOKIE");
  });

  it("checks the maximum age before it looks for the session", async () => {
    const call = validate(app, "nonsense", { maxAuthAge: { seconds: 0n, nanos: 0 } });
    await expectFailure(call, "INVALID_REQUEST", { field: "max_auth_age" });
  });

  it("takes sessions of the previous version for authenticated at their login", async () => {
    const { id } = await openSession(app.client);
    const old = `ses-${"0".repeat(12)}${"1".repeat(32)}`;
    await insertAsPreviousVersion(app, id, old);

    const { session } = await app.client.get({ session: byId(old) });

    expect(facts(session as Session)).to.deep.equal({
      authLevel: 0,
      authMethods: [],
      authenticatedAt: timestampMs(session?.createdAt as never),
    });
  });
});

/** Copies a session to a new id as a replica of version 0.1 inserts it, which has fewer columns. */
async function insertAsPreviousVersion({ sql }: TestApp, from: string, to: string): Promise<void> {
  const columns = `tenant_id, actor_type, actor_id, app_type, pre_login, created_at, last_seen_at,
    idle_timeout_seconds, absolute_expires_at, revoked_at, revoke_reason, revoked_by, ip_address,
    user_agent, signing_key_id, csrf_token_hash, metadata`;
  await sql(
    `INSERT INTO sessions (id, ${columns}) SELECT $2, ${columns} FROM sessions WHERE id = $1`,
    [from, to],
  );
}
