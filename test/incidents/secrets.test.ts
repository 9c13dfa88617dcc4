import { inspect } from "node:util";
import { expect } from "chai";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createPrettifier } from "../../src/log/pretty.ts";
import { byCookie, byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import {
  type Replica,
  type SessionClient,
  startReplica,
  TEST_KEY_ENCRYPTION_KEY,
} from "../support/app.ts";
import {
  type CallerClient,
  clientOf,
  createTestFile,
  line,
  newToken,
  type TestFile,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { failureOf } from "../support/expect-failure.ts";
import { logEverything, postgresLog } from "../support/postgres-log.ts";
import { signingSecret } from "../support/signing-keys.ts";
import { startVault, type TestVault } from "../support/vault.ts";

describe("secrets in logs (Okta 2023, open-mercato #2668)", () => {
  let database: TestDatabase;
  let replica: Replica;
  let client: SessionClient;
  let vault: TestVault;
  const files: TestFile[] = [];
  const callers: CallerClient[] = [];
  const log: string[] = [];
  const errors: string[] = [];
  /** By what it is, so that a failure does not print the secret alone. */
  const secrets = new Map<string, string>();

  before(async () => {
    database = await createTestDatabase();
    await logEverything(database);
    const token = newToken();
    const jwtKey = await generateKeyPair("RS256");
    const keys = JSON.stringify({
      keys: [{ ...(await exportJWK(jwtKey.publicKey)), alg: "RS256" }],
    });
    files.push(
      await createTestFile(
        tokenLine(token, { name: "web", role: "admin" }),
        line({ name: "shop", jwt_subject: "shop" }),
      ),
      await createTestFile(keys),
    );
    vault = await startVault();
    replica = await startReplica(database.url, {
      env: {
        SESSIOND_BIND_IP: "true",
        SESSIOND_LOG_VALIDATE_SAMPLE: "1",
        SESSIOND_CALLERS_FILE: files[0]?.path,
        SESSIOND_JWT_JWKS: files[1]?.path,
        SESSIOND_JWT_ISSUER: "https://issuer.example",
        SESSIOND_JWT_AUDIENCE: "sessiond",
        SESSIOND_TOKEN_ISSUER: "https://sessions.example",
        SESSIOND_TOKEN_AUDIENCES: "shop",
        ...vault.env,
      },
      onLog: (text) => log.push(text),
    });
    client = callerWith(token);
    secrets.set("caller's token", token);
    secrets.set("Vault's token", vault.token);
    await useEverything();
    await callWithJwts(jwtKey.privateKey);
    await failInEveryWay();
    await replica.app.storage.denialAudit.flush();
    for (const { id } of await database.sql<{ id: string }>("SELECT id FROM signing_keys")) {
      const secret = await signingSecret(database.sql, id);
      for (const encoding of ["base64", "base64url", "hex"] as const) {
        secrets.set(`signing key ${id} in ${encoding}`, secret.toString(encoding));
      }
    }
    secrets.set("key-encryption key", TEST_KEY_ENCRYPTION_KEY);
    const keyBytes = Buffer.from(TEST_KEY_ENCRYPTION_KEY, "base64");
    secrets.set("key-encryption key in hex", keyBytes.toString("hex"));
  });
  after(async () => {
    for (const { close } of callers) close();
    await replica.stop();
    await vault.stop();
    for (const file of files) await file.remove();
    await database.drop();
  });

  function callerWith(token: string): SessionClient {
    const caller = clientOf(replica.url, withToken(token));
    callers.push(caller);
    return caller.client;
  }

  /** A JWT that is accepted, one that is expired, one of nobody, and a token that is none. */
  async function callWithJwts(
    key: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"],
  ): Promise<void> {
    const session = byId((await open("session of a JWT's caller")).id);
    const now = Math.floor(Date.now() / 1000);
    const jwts = {
      accepted: ["shop", now + 60],
      expired: ["shop", now - 60],
      unknown: ["x", now + 60],
    };
    for (const [what, [subject, expiry]] of Object.entries(jwts)) {
      const jwt = await new SignJWT({ iss: "https://issuer.example", aud: "sessiond" })
        .setSubject(String(subject))
        .setExpirationTime(Number(expiry))
        .setProtectedHeader({ alg: "RS256" })
        .sign(key);
      secrets.set(`${what} JWT`, jwt);
      secrets.set(`${what} JWT's signature`, jwt.split(".")[2] ?? "");
      const call = callerWith(jwt).get({ session });
      await (what === "accepted" ? call : failed(call));
    }
    const token = newToken();
    secrets.set("unknown token", token);
    await failed(callerWith(token).get({ session }));
  }

  /** A cookie's MAC or a CSRF token, in every spelling that something might have turned it into. */
  function keep(what: string, secret: string): void {
    const bytes = Buffer.from(secret, "base64url");
    secrets.set(what, secret);
    secrets.set(`${what} in hex`, bytes.toString("hex"));
    secrets.set(`${what} in base64`, bytes.toString("base64"));
  }

  async function open(what: string, request: Parameters<typeof openSession>[1] = {}) {
    const opened = await openSession(client, request);
    keep(`${what}'s MAC`, opened.cookie.split(".")[3] ?? "");
    keep(`${what}'s CSRF token`, opened.csrfToken);
    return opened;
  }

  async function failed(call: Promise<unknown>): Promise<void> {
    const error = await failureOf(call);
    errors.push(inspect(error, { depth: 10 }), JSON.stringify(error.details), error.message);
    errors.push(...[...error.metadata].flat());
  }

  async function useEverything(): Promise<void> {
    const before = await open("pre-login session", { preLogin: true });
    const actor = newActor({ tenantId: newTenant() });
    const ipAddress = "192.0.2.1";
    const login = await open("session", { actor, ipAddress, replaces: byCookie(before.cookie) });
    const session = byCookie(login.cookie);
    const credential = { case: "cookie", value: login.cookie } as const;
    await client.validate({ credential, csrfToken: login.csrfToken, touch: true });
    const header = `a=b; __Host-session=${login.cookie}`;
    await client.validate({ credential: { case: "cookieHeader", value: header } });
    const { token } = await client.validate({ credential, tokenAudience: "shop" });
    for (const [index, part] of token.split(".").slice(1).entries()) {
      secrets.set(`token for an upstream, part ${index + 1}`, part);
    }
    await client.validateCsrf({ session, csrfToken: login.csrfToken });
    await client.touch({ session });
    await client.get({ session });
    await client.list({ actor, current: session });
    for (const target of [
      { case: "session", value: session },
      { case: "actor", value: actor },
    ] as const) {
      const { rotated } = await client.rotateCsrf({ target, actingActorId: "admin" });
      keep(`CSRF token rotated for a ${target.case}`, rotated[0]?.csrfToken ?? "");
    }
    await client.updateMetadata({ session, metadata: { theme: "dark" } });
    const other = await open("session to rotate", { actor });
    const rotated = await client.rotateSession({
      session: byCookie(other.cookie),
      grace: { seconds: 30n, nanos: 0 },
    });
    keep("rotated session's MAC", rotated.cookie.split(".")[3] ?? "");
    keep("rotated session's CSRF token", rotated.csrfToken);
    await validate(client, other.cookie);
    await client.rotateSigningKey({ tenantId: actor.tenantId, actingActorId: "admin" });
    await open("second session", { actor });
    const request = { actor, reason: "logout_others", actingActorId: "admin" };
    await client.revokeAllForActor({ ...request, keep: session });
    await failed(client.validate({ credential, ipAddress: "192.0.2.2" }));
    await client.revoke({ session });
    await client.garbageCollect({});
    await client.listAuditEvents({ tenantId: actor.tenantId });
    await client.listSigningKeys({ tenantId: actor.tenantId });
    const filter = { tenantId: actor.tenantId };
    await client.listSessions({ filter });
    await client.revokeSessions({ filter, reason: "incident", actingActorId: "admin" });
    await client.rotateTokenKey({ actingActorId: "admin" });
    await client.listTokenKeys({});
  }

  async function failInEveryWay(): Promise<void> {
    const { id, actor, cookie, csrfToken } = await open("refused session");
    const session = byCookie(cookie);
    const credential = { case: "cookie", value: cookie } as const;
    const canary = "canary-d2hvZXZlci1yZWFkcy10aGlz";
    secrets.set("a wrong credential", canary);
    await failed(validate(client, canary));
    await failed(validate(client, `${cookie.slice(0, -43)}${canary}`));
    await failed(validate(client, `${cookie}.${canary}`));
    await failed(client.validate({ credential: { case: "cookieHeader", value: `x=${canary}` } }));
    await failed(client.validate({ credential, csrfToken: canary }));
    await failed(client.validateCsrf({ session: byId(id), csrfToken: canary }));
    await failed(client.get({ session: byId(canary) }));
    await failed(client.get({ session: byId(cookie) }));
    await failed(client.revoke({ session: byCookie(canary) }));
    await failed(client.list({ actor, pageToken: canary }));
    // A cookie where it does not belong: the caller has mixed up two fields.
    await failed(client.revoke({ session, reason: cookie }));
    await failed(client.validate({ credential, ipAddress: cookie }));
    await failed(client.validate({ credential, tenantId: cookie }));
    await failed(openSession(client, { actor: { ...actor, actorId: "", tenantId: canary } }));
    // A request id is text that the caller chooses.
    const headers = { "x-request-id": '"},{"level":60,"msg":"forged"' };
    await failed(client.get({ session: byCookie(canary) }, { headers }));
    await client.get({ session }, { headers });

    // The database refuses statements, which have credentials' hashes among their parameters.
    await database.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
    await failed(openSession(client, { actor }));
    await failed(client.rotateCsrf({ target: { case: "session", value: session } }));
    await failed(client.revoke({ session }));
    await failed(client.validate({ credential, csrfToken: canary }));
    await replica.app.storage.denialAudit.flush();
    await database.sql("ALTER TABLE audit_events_away RENAME TO audit_events");
    await database.sql("ALTER TABLE sessions RENAME TO sessions_away");
    await failed(client.validate({ credential, csrfToken }));
    await failed(client.touch({ session }));
    await database.sql("ALTER TABLE sessions_away RENAME TO sessions");
    await client.validate({ credential, csrfToken });
  }

  /** Which of the secrets are in the text. */
  function foundIn(text: string): string[] {
    const lower = text.toLowerCase();
    return [...secrets]
      .filter(([, secret]) => lower.includes(secret.toLowerCase()))
      .map(([what]) => what);
  }

  it("are found by the search where there are any (the control)", () => {
    expect(vault.server.requests.map(({ token }) => token)).to.include(vault.token);
    expect(secrets.size).to.be.greaterThan(40);
    for (const [what, secret] of secrets) expect(foundIn(`a ${secret} b`)).to.include(what);
  });

  it("are not in sessiond's own log at level trace", () => {
    expect(log.join("\n"), "failures are logged").to.include("call failed");
    const calls = log.map((line) => JSON.parse(line)).filter(({ code }) => code === "OK");
    expect(new Set(calls.map(({ rpc }) => rpc)).size, "and calls of all kinds").to.equal(
      SessionService.methods.length,
    );
    expect(foundIn(log.join("\n"))).to.deep.equal([]);
  });

  it("nor are they in the lines for people, where a request id forges nothing", () => {
    const prettify = createPrettifier({ colors: false });
    const text = log.map(prettify).join("");
    expect(text).to.include("call failed").and.to.include("forged");
    expect(text).not.to.match(/^\[[^\]]*\] FATAL/m);
    expect(foundIn(text)).to.deep.equal([]);
  });

  it("are not in any error that a caller gets", () => {
    expect(errors).to.have.length.greaterThan(50);
    expect(foundIn(errors.join("\n"))).to.deep.equal([]);
  });

  it("are not in the audit nor in any column of any table", async () => {
    const tables = await database.sql<{ name: string }>(
      `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name
       FROM information_schema.tables
       WHERE table_type = 'BASE TABLE'
         AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(tables.map(({ name }) => name)).to.include.members([
      "public.audit_events",
      "public.sessions",
      "public.signing_keys",
    ]);
    for (const { name } of tables) {
      // Of each row all columns, bytes in hexadecimal.
      const rows = await database.sql<{ text: string }>(
        `SELECT to_jsonb(t)::text AS text FROM ${name} t`,
      );
      expect(rows, name).not.to.deep.equal([]);
      expect(foundIn(rows.map(({ text }) => text).join("\n")), name).to.deep.equal([]);
    }
  });

  it("are not in PostgreSQL's log of every statement", async function () {
    const text = await postgresLog(database);
    if (text === undefined) this.skip();
    expect(text, "statements are logged").to.match(/INSERT INTO sessions/);
    expect(text, "and their parameters").to.match(/parameters:.*'sk-[0-9a-f]{32}'/i);
    expect(foundIn(text)).to.deep.equal([]);
  });
});
