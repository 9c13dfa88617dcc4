import { expect } from "chai";
import { ErrorDetailSchema } from "../../gen/es/sessiond/v1/error_pb.ts";
import {
  byCookie,
  byId,
  newActor,
  newTenant,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { type SessionClient, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { untilQueuedBehind, untilQueuedSecond } from "../support/until.ts";

/** What has gone wrong in services of this kind. Each test names cases of its class. */
describe("incidents of other services", () => {
  let app: TestApp;
  let held: HeldTransaction | undefined;

  before(async () => {
    app = await startTestApp();
  });
  afterEach(() => held?.end());
  after(() => app.stop());

  const rowOf = async ({ id }: Pick<OpenedSession, "id">) =>
    (await app.sql("SELECT * FROM sessions WHERE id = $1", [id]))[0];
  const mac = (cookie: string) => cookie.split(".")[3] ?? "";

  it("a login takes over no id that was there before (Keycloak CVE-2025-12390, passport CVE-2022-25896)", async () => {
    const planted = await openSession(app.client, { preLogin: true });
    const actor = newActor();

    const login = await openSession(app.client, { actor, replaces: byCookie(planted.cookie) });

    expect(login.id).not.to.equal(planted.id);
    expect(login.csrfToken).not.to.equal(planted.csrfToken);
    expect(login.created.replacedSessionId).to.equal(planted.id);
    const credential = { case: "cookie", value: planted.cookie } as const;
    const call = app.client.validate({ credential, acceptPreLogin: true });
    await expectFailure(call, "REVOKED");
    await expectFailure(
      app.client.validateCsrf({
        session: byCookie(login.cookie),
        csrfToken: planted.csrfToken,
      }),
      "CSRF_MISMATCH",
    );
    // The same user again, and again after a logout: never an id that there was before.
    await app.client.revoke({ session: byCookie(login.cookie) });
    const again = await Promise.all(numbers(5).map(() => openSession(app.client, { actor })));
    expect(new Set([planted, login, ...again].map(({ id }) => id)).size).to.equal(7);
    await expectFailure(validate(app.client, login.cookie), "REVOKED");
  });

  it("a cookie that a neighbouring host has planted is not used (fastify-passport CVE-2023-29019)", async () => {
    const victim = await openSession(app.client);
    const attacker = await openSession(app.client);
    const name = "__Host-session";
    const ask = (value: string) =>
      app.client.validate({ credential: { case: "cookieHeader", value } });

    // A neighbouring host can plant the name in another spelling, or without the prefix.
    for (const planted of ["__host-session", "__HOST-SESSION", "session", "__Secure-session"]) {
      for (const header of [
        `${planted}=${attacker.cookie}; ${name}=${victim.cookie}`,
        `${name}=${victim.cookie}; ${planted}=${attacker.cookie}`,
      ]) {
        expect((await ask(header)).session?.id).to.equal(victim.id);
      }
      await expectFailure(ask(`${planted}=${attacker.cookie}`), "INVALID_COOKIE");
    }
    // Where the name itself is there twice, nothing tells which is ours.
    for (const [first, second] of [
      [victim.cookie, attacker.cookie],
      [attacker.cookie, victim.cookie],
      ["", victim.cookie],
    ]) {
      await expectFailure(ask(`${name}=${first}; ${name}=${second}`), "INVALID_COOKIE");
    }
  });

  const saves: Record<string, (client: SessionClient, cookie: string) => Promise<unknown>> = {
    Touch: (client, cookie) => client.touch({ session: byCookie(cookie) }),
    "Validate with touch": (client, cookie) =>
      client.validate({ credential: { case: "cookie", value: cookie }, touch: true }),
    RotateCsrf: (client, cookie) =>
      client.rotateCsrf({ target: { case: "session", value: byCookie(cookie) } }),
  };
  for (const [name, save] of Object.entries(saves)) {
    it(`a ${name} in flight does not undo a logout (express-session #632, connect-redis #328, connect-typeorm #25)`, async () => {
      const { id, cookie } = await openSession(app.client);
      const session = byCookie(cookie);
      await idle(app, id, 60);
      const other = await startReplica(app.database.url);
      try {
        held = await holdTransaction(app.database);
        await held.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [id]);

        // The request in flight has found the session live, and saves it when the logout has been done.
        const revoke = app.client.revoke({ session });
        await untilQueuedBehind(app.sql, held.pid, app);
        // On another replica: on the same one, it would wait for the logout without a connection.
        const saved = save(other.client, cookie).catch(() => {});
        await untilQueuedSecond(app.sql, other);
        await held.commit();

        expect((await revoke).revoked).to.equal(true);
        await saved;
        await expectFailure(validate(app.client, cookie), "REVOKED");
        await expectFailure(app.client.touch({ session }), "REVOKED");
      } finally {
        await other.stop();
      }
    });
  }

  it("no cache and no restart forgets a revocation (Keycloak #31296, Oathkeeper #1082, better-auth GHSA-xg6x-h9c9-2m83)", async () => {
    const { cookie } = await openSession(app.client);
    const other = await startReplica(app.database.url);
    try {
      for (const client of [app.client, other.client]) {
        for (const _ of numbers(5)) await validate(client, cookie);
      }

      await app.client.revoke({ session: byCookie(cookie) });

      for (const client of [other.client, app.client]) {
        await expectFailure(validate(client, cookie), "REVOKED");
      }
    } finally {
      await other.stop();
    }
    const restarted = await startReplica(app.database.url);
    try {
      await expectFailure(validate(restarted.client, cookie), "REVOKED");
    } finally {
      await restarted.stop();
    }
  });

  it("a revocation ends the named session only (Kratos #2921)", async () => {
    const actor = newActor();
    const mine = await Promise.all(numbers(3).map(() => openSession(app.client, { actor })));
    const others = await Promise.all(numbers(3).map(() => openSession(app.client)));
    const [, named, ...rest] = mine as [OpenedSession, OpenedSession, OpenedSession];
    const spared = [mine[0] as OpenedSession, ...rest, ...others];
    const before = await Promise.all(spared.map(rowOf));

    const answer = await app.client.revoke({
      session: byId(named.id),
      reason: "logout",
      actingActorId: actor.actorId,
    });

    expect(answer.session?.id).to.equal(named.id);
    await expectFailure(validate(app.client, named.cookie), "REVOKED");
    expect(await Promise.all(spared.map(rowOf))).to.deep.equal(before);
    const request = { actor, reason: "logout_others", actingActorId: actor.actorId };
    const keep = byCookie(spared[0]?.cookie ?? "");
    expect((await app.client.revokeAllForActor({ ...request, keep })).revokedCount).to.equal(1);
    await validate(app.client, spared[0]?.cookie ?? "");
    for (const { cookie } of others) await validate(app.client, cookie);
  });

  it("a forged cookie changes no other session (better-auth multi-session)", async () => {
    const victim = await openSession(app.client);
    const attacker = await openSession(app.client);
    const before = await rowOf(victim);
    const [version, , keyId] = victim.cookie.split(".");
    const forgeries = [
      [version, victim.id, keyId, mac(attacker.cookie)].join("."),
      [version, victim.id, keyId].join("."),
      [version, victim.id, keyId, ""].join("."),
      victim.id,
    ];

    for (const cookie of forgeries) {
      const session = byCookie(cookie);
      await expectFailure(app.client.revoke({ session }), "INVALID_COOKIE");
      await expectFailure(app.client.touch({ session }), "INVALID_COOKIE");
      await expectFailure(
        app.client.rotateCsrf({ target: { case: "session", value: session } }),
        "INVALID_COOKIE",
      );
      const login = await openSession(app.client, { actor: attacker.actor, replaces: session });
      expect(login.created.replacedSessionId).to.equal("");
    }

    expect(await rowOf(victim)).to.deep.equal(before);
    await validate(app.client, victim.cookie);
  });

  it("the identity comes from the row, not from the request (better-auth CVE-2025-61928)", async () => {
    const victim = newActor();
    const mine = await openSession(app.client, {
      metadata: { ...victim, actor_id: victim.actorId, id: "ses-1", state: "1" },
    });
    const { id: theirs } = await openSession(app.client, { actor: victim });

    const { session } = await validate(app.client, mine.cookie);
    expect(session).to.include({ ...mine.actor, id: mine.id });
    const { session: revoked } = await app.client.revoke({
      session: byCookie(mine.cookie),
      actingActorId: victim.actorId,
    });
    expect(revoked).to.include({ ...mine.actor, id: mine.id });
    const request = { actor: victim, reason: "logout", actingActorId: mine.actor.actorId };
    const call = app.client.revokeAllForActor({ ...request, keep: byId(mine.id) });
    await expectFailure(call, "INVALID_REQUEST", { field: "keep" });
    await app.client.touch({ session: byId(theirs) });
  });

  it("no call accepts an expired session (fastify-session CVE-2024-35220, secure-session CVE-2024-31999)", async () => {
    for (const [reason, expire] of [
      ["EXPIRED_IDLE", (id: string) => idle(app, id, 1800)],
      ["EXPIRED_ABSOLUTE", (id: string) => setAbsolute(app, id, 0)],
      ["EXPIRED_ABSOLUTE", (id: string) => age(app, id, 365 * 24 * 3600)],
    ] as const) {
      const { id, cookie, csrfToken } = await openSession(app.client);
      await expire(id);
      const credential = { case: "cookie", value: cookie } as const;
      for (const session of [byCookie(cookie), byId(id)]) {
        const target = { case: "session", value: session } as const;
        await expectFailure(app.client.touch({ session }), reason);
        await expectFailure(app.client.validateCsrf({ session, csrfToken }), reason);
        await expectFailure(app.client.rotateCsrf({ target, actingActorId: "a" }), reason);
      }
      await expectFailure(app.client.validate({ credential, touch: true }), reason);
      await expectFailure(app.client.validate({ credential, csrfToken }), reason);
    }
  });

  it("a disabled user has no session left (ZITADEL CVE-2023-22492)", async () => {
    const actor = newActor({ tenantId: newTenant() });
    const { tenantId, actorId } = actor;
    const sessions = [await openSession(app.client, { actor })];
    await app.client.rotateSigningKey({ tenantId, actingActorId: "admin" });
    sessions.push(
      await openSession(app.client, { actor, appType: "control_panel" }),
      await openSession(app.client, { actor, appType: "tenant_app", ipAddress: "2001:db8::1" }),
      await openSession(app.client, { actor, preLogin: true }),
    );

    const request = { actor, reason: "disabled", actingActorId: "admin" };
    expect((await app.client.revokeAllForActor(request)).revokedCount).to.equal(4);

    for (const { cookie } of sessions) {
      const credential = { case: "cookie", value: cookie } as const;
      const call = app.client.validate({ credential, acceptPreLogin: true, touch: true });
      await expectFailure(call, "REVOKED");
    }
    expect((await app.client.list({ actor })).sessions).to.deep.equal([]);
    expect(actorId).not.to.equal("");
  });

  it("nothing but the token itself passes the CSRF check (gorilla/csrf CVE-2025-24358)", async () => {
    const { id, cookie, csrfToken } = await openSession(app.client);
    const other = await openSession(app.client);
    const [{ hash } = { hash: Buffer.alloc(0) }] = await app.sql<{ hash: Buffer }>(
      "SELECT csrf_token_hash AS hash FROM sessions WHERE id = $1",
      [id],
    );
    const swapped = csrfToken === csrfToken.toLowerCase() ? "toUpperCase" : "toLowerCase";
    const wrong = [
      other.csrfToken,
      hash.toString("base64url"),
      hash.toString("hex"),
      csrfToken.slice(0, -1),
      `${csrfToken}=`,
      `${csrfToken} `,
      csrfToken[swapped](),
      mac(cookie),
      id,
      "undefined",
      "null",
    ];
    const session = byCookie(cookie);
    const credential = { case: "cookie", value: cookie } as const;

    for (const token of wrong) {
      const direct = app.client.validateCsrf({ session, csrfToken: token });
      await expectFailure(direct, "CSRF_MISMATCH");
      const within = app.client.validate({ credential, csrfToken: token, touch: true });
      await expectFailure(within, "CSRF_MISMATCH");
    }
    for (const token of ["", " ", "\t\n"]) {
      const direct = app.client.validateCsrf({ session, csrfToken: token });
      await expectFailure(direct, "CSRF_MISSING");
      await expectFailure(app.client.validate({ credential, csrfToken: token }), "CSRF_MISSING");
    }
    await app.client.validateCsrf({ session, csrfToken });
  });

  it("concurrent calls share no state (GitHub 2021, Ory's shared error globals)", async () => {
    const sessions = await Promise.all(numbers(10).map(() => openSession(app.client)));
    const calls = numbers(200).map(async (index) => {
      const { id, cookie, actor } = sessions[index % 10] as OpenedSession;
      const one = async (call: Promise<unknown>) => {
        const error = await failureOf(call);
        const fields = error.findDetails(ErrorDetailSchema).map((detail) => detail.field);
        return [...fields, error.rawMessage.split(" ")[0]];
      };
      const field = ["app_type", "metadata", "ip_address", "actor.actor_id"][index % 4];
      const wrong = {
        app_type: { appType: "x".repeat(65) },
        metadata: { metadata: { "": "x" } },
        ip_address: { ipAddress: "not-an-address" },
        "actor.actor_id": { actor: { ...actor, actorId: " " } },
      }[field as string];
      // Two failures and a success of different callers, interleaved.
      const [failed, { session }, refused] = await Promise.all([
        one(openSession(app.client, wrong)),
        validate(app.client, cookie),
        one(app.client.get({ session: byId(`x-${index}`) })),
      ]);
      expect(failed).to.deep.equal([field, field]);
      expect(refused).to.deep.equal(["session.session_id", "session.session_id"]);
      expect(session).to.include({ ...actor, id });
    });
    await Promise.all(calls);
  });
});
