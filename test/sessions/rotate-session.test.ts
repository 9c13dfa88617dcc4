import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import { byCookie, byId, newActor, openSession, validate } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy } from "../support/audit-rows.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { statementsDuring } from "../support/statement-log.ts";
import { holdTransaction } from "../support/transaction.ts";
import { untilQueuedBehind } from "../support/until.ts";
import { withReplica } from "../support/with-replica.ts";

describe("RotateSession (F09)", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app?.stop());

  const read = async (id: string) => (await app.client.get({ session: byId(id) })).session;
  const liveOf = async (actor: Parameters<typeof newActor>[0]) =>
    (await app.client.list({ actor: newActor(actor) })).sessions.map(({ id }) => id);

  it("gives the session a new id, cookie and CSRF token, and ends the old ones (ASVS 7.2.4)", async () => {
    const old = await openSession(app.client);

    const rotated = await app.client.rotateSession({ session: byCookie(old.cookie) });

    expect(rotated.previousSessionId).to.equal(old.id);
    const id = rotated.session?.id ?? "";
    expect([id, rotated.cookie, rotated.csrfToken]).not.to.include.members([old.id]);
    expect(rotated.cookie).not.to.equal(old.cookie);
    expect(rotated.csrfToken).not.to.equal(old.csrfToken);
    const credential = { case: "cookie", value: rotated.cookie } as const;
    const { session } = await app.client.validate({ credential, csrfToken: rotated.csrfToken });
    expect(session?.id).to.equal(id);
    await expectFailure(
      app.client.validate({ credential, csrfToken: old.csrfToken }),
      "CSRF_MISMATCH",
    );
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
    expect(await read(old.id)).to.include({ revokeReason: "rotated", endReason: "rotated" });
    expect(await liveOf(old.actor)).to.deep.equal([id]);
  });

  it("sends both cookies, with the time that is left", async () => {
    const { id, cookie } = await openSession(app.client);
    await setAbsolute(app, id, 3600);
    const { setCookies, ...rotated } = await app.client.rotateSession({
      session: byCookie(cookie),
    });
    expect(setCookies.map(({ name, value }) => [name, value])).to.deep.equal([
      ["__Host-session", rotated.cookie],
      ["__Host-csrf", rotated.csrfToken],
    ]);
    for (const { maxAgeSeconds } of setCookies) expect(maxAgeSeconds).to.be.within(1, 3600);
  });

  it("keeps the absolute deadline exactly, however often, and all that Create stored", async () => {
    const { id, cookie, created } = await openSession(app.client, {
      appType: "shop",
      metadata: { theme: "dark" },
      ipAddress: "192.0.2.7",
      userAgent: "Browser/1",
      idleTimeout: { seconds: 600n, nanos: 0 } as never,
      authLevel: 1,
      authMethods: ["pwd"],
    });
    await age(app, id, 60);
    const before = (await read(id)) ?? expect.fail();
    let current = cookie;
    for (const _ of numbers(3)) {
      const rotated = await app.client.rotateSession({ session: byCookie(current) });
      current = rotated.cookie;
      const { session } = rotated;
      const seen = timestampMs(session?.lastSeenAt as never);
      expect(seen).to.be.greaterThan(timestampMs(before.lastSeenAt as never));
      expect(session).to.deep.equal({
        ...before,
        id: session?.id,
        lastSeenAt: session?.lastSeenAt,
        idleExpiresAt: timestampFromMs(seen + 600_000),
      });
    }
    expect(created.session?.metadataEtag).to.equal(before.metadataEtag);
  });

  it("stores a step-up, so that Validate is satisfied", async () => {
    const { cookie } = await openSession(app.client, {
      authLevel: 1,
      authMethods: ["pwd"],
      authenticatedAt: timestampFromMs(Date.now() - 3_600_000),
    });
    const asked = { minAuthLevel: 2, maxAuthAge: { seconds: 300n, nanos: 0 } };
    const check = (value: string) =>
      app.client.validate({ credential: { case: "cookie", value }, ...asked });
    await expectFailure(check(cookie), "STEP_UP_REQUIRED");

    const rotated = await app.client.rotateSession({
      session: byCookie(cookie),
      authLevel: 2,
      authMethods: ["pwd", "otp"],
      authenticatedAt: timestampFromMs(Date.now()),
    });

    const { session } = await check(rotated.cookie);
    expect(session).to.deep.include({ authLevel: 2, authMethods: ["pwd", "otp"] });
    // Fewer privileges are no new authentication.
    const { session: dropped } = await app.client.rotateSession({
      session: byCookie(rotated.cookie),
      authLevel: 0,
    });
    expect(dropped).to.deep.include({
      authLevel: 0,
      authMethods: ["pwd", "otp"],
      authenticatedAt: session?.authenticatedAt,
    });
  });

  it("is audited with who acted, for both sessions", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    const audit = await auditedBy(app.sql, async () => {
      const { session } = await app.client.rotateSession({ session: byCookie(cookie) });
      const request = { session: byId(session?.id ?? ""), actingActorId: "support-1" };
      await app.client.rotateSession(request);
    });
    expect(audit.map((row) => [row.action, row.acting_actor_id])).to.have.deep.members([
      ["auth.session_revoked", actor.actorId],
      ["auth.session_rotated", actor.actorId],
      ["auth.session_revoked", "support-1"],
      ["auth.session_rotated", "support-1"],
    ]);
    const revoked = audit.find((row) => row.resource_id === id);
    const successor = audit.find((row) => row.details.rotated_from === id)?.resource_id;
    expect(revoked?.details).to.deep.equal({ reason: "rotated", rotated_to: successor });
  });

  const ended = {
    REVOKED: (_: string, cookie: string) => app.client.revoke({ session: byCookie(cookie) }),
    EXPIRED_IDLE: (id: string) => idle(app, id, 1800),
    EXPIRED_ABSOLUTE: (id: string) => setAbsolute(app, id, 0),
  } as const;
  for (const [reason, end] of Object.entries(ended)) {
    it(`refuses a session that is ${reason}, and creates none`, async () => {
      const { id, actor, cookie } = await openSession(app.client);
      await end(id, cookie);
      const call = app.client.rotateSession({ session: byCookie(cookie) });
      await expectFailure(call, reason as keyof typeof ended);
      const { sessions } = await app.client.list({ actor, includeEnded: true });
      expect(sessions.map((session) => session.id)).to.deep.equal([id]);
    });
  }

  it("refuses a pre-login session, and ignores its cookie in a header", async () => {
    const { cookie } = await openSession(app.client, { preLogin: true });
    const call = app.client.rotateSession({ session: byCookie(cookie) });
    await expectFailure(call, "PRE_LOGIN_NOT_ACCEPTED");
    const value = `__Host-prelogin=${cookie}`;
    await expectFailure(
      app.client.rotateSession({ session: { ref: { case: "cookieHeader", value } } }),
      "INVALID_COOKIE",
    );
  });

  it("checks all fields", async () => {
    const { id, cookie } = await openSession(app.client);
    const session = byCookie(cookie);
    const { client } = app;
    for (const [field, call] of [
      ["session", client.rotateSession({})],
      ["grace", client.rotateSession({ session, grace: { seconds: 30n, nanos: 1_000_000 } })],
      ["grace", client.rotateSession({ session, grace: { seconds: -1n, nanos: 0 } })],
      ["grace", client.rotateSession({ session, grace: { seconds: 1n, nanos: -1 } })],
      ["grace", client.rotateSession({ session, grace: { seconds: 2n ** 62n, nanos: 0 } })],
      ["auth_level", client.rotateSession({ session, authLevel: 2 ** 31 })],
      ["auth_methods", client.rotateSession({ session, authMethods: [""] })],
      ["authenticated_at", client.rotateSession({ session, authenticatedAt: timestampFromMs(-1) })],
      ["acting_actor_id", client.rotateSession({ session: byId(id) })],
    ] as const) {
      const error = await expectFailure(call, "INVALID_REQUEST", { field });
      if (field === "grace") expect(error.rawMessage).to.equal("grace must be from 0s to 30s");
    }
    await validate(app.client, cookie);
  });

  it("allows no grace if SESSIOND_MAX_ROTATION_GRACE is 0s", async () => {
    const env = { SESSIOND_MAX_ROTATION_GRACE: "0s" };
    await withReplica(app.database.url, { env }, async ({ client }) => {
      const session = byCookie((await openSession(client)).cookie);
      const call = client.rotateSession({ session, grace: { seconds: 0n, nanos: 1_000_000 } });
      await expectFailure(call, "INVALID_REQUEST", { field: "grace" });
      await client.rotateSession({ session, grace: { seconds: 0n, nanos: 0 } });
    });
  });

  it("leaves exactly one session live if its server process is killed in between", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    // The events are written last: by then, the statement has revoked one session and stored the other.
    await app.sql(
      "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN " +
        "PERFORM pg_advisory_xact_lock(42); RETURN NEW; END'",
    );
    await app.sql("CREATE TRIGGER pause BEFORE INSERT ON audit_events EXECUTE FUNCTION pause()");
    const held = await holdTransaction(app.database);
    try {
      await held.query("SELECT pg_advisory_lock(42)");
      const call = app.client.rotateSession({ session: byCookie(cookie) });
      call.catch(() => {});
      await untilQueuedBehind(app.sql, held.pid, app);
      await app.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE $1 = ANY (pg_blocking_pids(pid))`,
        [held.pid],
      );
      await expectFailure(call, "STORAGE_UNAVAILABLE");
    } finally {
      await held.end();
      await app.sql("DROP FUNCTION pause CASCADE");
    }
    expect(await liveOf(actor)).to.deep.equal([id]);
    await validate(app.client, cookie);
  });

  it("keeps a rotated session as history, and the sweep deletes it past its window", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    const grace = { seconds: 30n, nanos: 0 };
    const rotated = await app.client.rotateSession({ session: byCookie(cookie), grace });
    await age(app, id, (12 + 24 * 6) * 3600);
    await app.client.garbageCollect({});
    const listed = async () =>
      (await app.client.list({ actor, includeEnded: true })).sessions.map((session) => session.id);
    expect(await listed()).to.have.members([id, rotated.session?.id]);
    await age(app, id, 24 * 3600);
    await app.client.garbageCollect({});
    expect(await listed()).to.deep.equal([rotated.session?.id]);
    await validate(app.client, rotated.cookie);
  });

  it("costs the Validate of a session that was not rotated no query and no column", async () => {
    const { cookie } = await openSession(app.client);
    await validate(app.client, cookie);
    const sent = await statementsDuring(() => validate(app.client, cookie));
    expect(sent).to.have.length(1);
    expect(sent[0]?.text).not.to.match(/rotat/);
  });

  describe("under a session limit", () => {
    const LIMIT = 3;
    for (const policy of ["reject", "evict_oldest"]) {
      it(`${policy}: neither exceeds the limit nor ends another session`, async () => {
        const replica = await startReplica(app.database.url, {
          env: {
            SESSIOND_MAX_SESSIONS_PER_ACTOR: String(LIMIT),
            SESSIOND_SESSION_LIMIT_POLICY: policy,
          },
        });
        try {
          const actor = newActor();
          const cookies: string[] = [];
          for (const _ of numbers(LIMIT)) {
            cookies.push((await openSession(replica.client, { actor })).cookie);
          }
          for (const _ of numbers(2)) {
            await inParallel(LIMIT, numbers(LIMIT), async (index) => {
              const session = byCookie(cookies[index] ?? "");
              cookies[index] = (await replica.client.rotateSession({ session })).cookie;
            });
          }
          expect(await liveOf(actor)).to.have.length(LIMIT);
          for (const cookie of cookies) await validate(replica.client, cookie);
        } finally {
          await replica.stop();
        }
      });
    }
  });
});
