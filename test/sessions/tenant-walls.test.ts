import { randomBytes } from "node:crypto";
import { type DescMessage, fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import fc from "fast-check";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { AbsentKeys } from "../../src/session/absent-keys.ts";
import { PageTokens } from "../../src/session/pages.ts";
import { byId, newTenant, openSession } from "../support/actors.ts";
import { type SessionClient, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { setAbsolute } from "../support/back-dating.ts";
import {
  clientOf,
  createTestFile,
  newToken,
  type TestFile,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { signingSecret } from "../support/signing-keys.ts";
import { countStatements } from "../support/statement-log.ts";
import { reEncrypt } from "../support/unreadable-signing-keys.ts";

type Method = keyof typeof SessionService.method;
const methods = Object.keys(SessionService.method) as Method[];
const protocols = ["gRPC", "Connect"] as const;

/** A session, with all that names it or belongs to it. */
interface OpenSession {
  readonly tenantId: string;
  readonly id: string;
  readonly keyId: string;
  readonly cookie: string;
  readonly csrfToken: string;
}

const hex = (bytes: number) => randomBytes(bytes).toString("hex");
const token = () => randomBytes(32).toString("base64url");

/** Well-formed, and never made by anybody. */
function nonexistent(): OpenSession {
  const [id, keyId] = [`ses-${hex(22)}`, `sk-${hex(16)}`];
  const cookie = `v1.${id}.${keyId}.${token()}`;
  return { tenantId: newTenant(), id, keyId, cookie, csrfToken: token() };
}

const ALICE = { actorType: "user", actorId: "alice" };
const ACTING = { reason: "logout", actingActorId: "alice" };

/** Every way to name the other session, without its tenant and with each that may be named. */
function refsTo(other: OpenSession, mine: OpenSession): JsonObject[] {
  const [version, , myKey, myMac] = mine.cookie.split(".");
  const [, , , theirMac] = other.cookie.split(".");
  const cookies = [
    other.cookie,
    [version, other.id, myKey, myMac].join("."),
    [version, other.id, other.keyId, myMac].join("."),
    [version, mine.id, other.keyId, theirMac].join("."),
  ];
  const refs: JsonObject[] = [
    { sessionId: other.id },
    ...cookies.map((cookie) => ({ cookie })),
    { cookieHeader: `__Host-session=${other.cookie}` },
    { cookieHeader: `__Host-prelogin=${other.cookie}` },
    { cookieHeader: `__Host-session=${other.cookie}; __Host-prelogin=${other.cookie}` },
  ];
  const tenants = [undefined, mine.tenantId, other.tenantId];
  return refs.flatMap((ref) =>
    tenants.map((tenantId) => ({ ...ref, ...(tenantId && { tenantId }) })),
  );
}

/** Requests of a caller of `mine` that try what they can with `other`, for every call. */
const attempts: Record<Method, (other: OpenSession, mine: OpenSession) => JsonObject[]> = {
  create: (other, mine) => [
    ...refsTo(other, mine).map((replaces) => ({ actor: actorOf(mine), replaces })),
    ...refsTo(other, mine).map((replaces) => ({
      preLogin: true,
      actor: { tenantId: mine.tenantId },
      replaces,
    })),
    { actor: actorOf(other) },
    { preLogin: true, actor: { tenantId: other.tenantId } },
  ],
  validate: (other, mine) =>
    refsTo(other, mine)
      .filter(({ sessionId }) => sessionId === undefined)
      .flatMap((ref) => [
        { ...ref },
        { ...ref, csrfToken: other.csrfToken, touch: true, acceptPreLogin: true },
        { ...ref, httpMethod: "POST", ipAddress: "192.0.2.1", minAuthLevel: 1 },
      ]),
  validateCsrf: (other, mine) =>
    refsTo(other, mine).map((session) => ({
      session,
      csrfToken: other.csrfToken,
      acceptPreLogin: true,
    })),
  touch: (other, mine) => refsTo(other, mine).map((session) => ({ session })),
  revoke: (other, mine) => refsTo(other, mine).map((session) => ({ session, ...ACTING })),
  revokeAllForActor: (other, mine) => [
    ...refsTo(other, mine).map((keep) => ({ actor: actorOf(mine, "nobody"), keep, ...ACTING })),
    { actor: actorOf(other), ...ACTING },
  ],
  rotateCsrf: (other, mine) => [
    ...refsTo(other, mine).map((session) => ({ session, actingActorId: "alice" })),
    { actor: actorOf(other), actingActorId: "alice" },
  ],
  updateMetadata: (other, mine) =>
    refsTo(other, mine).map((session) => ({
      session,
      metadata: { a: "b" },
      actingActorId: "alice",
    })),
  rotateSession: (other, mine) =>
    refsTo(other, mine).map((session) => ({ session, grace: "5s", actingActorId: "alice" })),
  rotateSigningKey: (other) => [{ tenantId: other.tenantId, actingActorId: "alice" }],
  garbageCollect: () => [{}],
  rotateTokenKey: () => [{ actingActorId: "alice" }],
  listTokenKeys: () => [{}],
  get: (other, mine) => refsTo(other, mine).map((session) => ({ session })),
  list: (other, mine) => [
    ...refsTo(other, mine).map((current) => ({ actor: actorOf(mine), current })),
    { actor: actorOf(other) },
    { actor: actorOf(other), includeEnded: true, pageToken: sessionsPage(other) },
    { actor: actorOf(mine), pageToken: sessionsPage(other) },
  ],
  listSessions: (other, mine) => [
    { filter: { tenantId: other.tenantId } },
    { filter: { tenantId: other.tenantId }, includeEnded: true, pageToken: searchPage(other) },
    { filter: { tenantId: mine.tenantId }, pageToken: searchPage(other) },
    { filter: { actorType: "user", appType: other.tenantId }, includeEnded: true },
  ],
  revokeSessions: (other, mine) => [
    { filter: { tenantId: other.tenantId }, ...ACTING },
    { filter: { tenantId: other.tenantId }, ...ACTING, dryRun: true },
    { filter: { tenantId: mine.tenantId }, ...ACTING, pageToken: searchPage(other) },
    { filter: { appType: other.tenantId }, ...ACTING },
  ],
  listSigningKeys: (other, mine) => [
    { tenantId: other.tenantId },
    { tenantId: other.tenantId, pageToken: keysPage(other) },
    { tenantId: mine.tenantId, pageToken: keysPage(other) },
  ],
  listAuditEvents: (other, mine) => [
    { tenantId: other.tenantId },
    { tenantId: mine.tenantId, resourceId: other.id },
    { tenantId: mine.tenantId, resourceId: other.keyId },
    { tenantId: mine.tenantId, actingActorId: other.tenantId },
    { tenantId: other.tenantId, pageToken: auditPage(other) },
    { tenantId: mine.tenantId, pageToken: auditPage(other) },
    {
      tenantId: mine.tenantId,
      resourceId: other.id,
      occurredBefore: "2020-01-01T00:00:00Z",
      oldestFirst: true,
    },
    { tenantId: other.tenantId, allTenants: true },
    { allTenants: true, resourceId: other.id },
  ],
};

function actorOf({ tenantId }: OpenSession, actorId = "alice") {
  return { ...ALICE, tenantId, actorId };
}

/** Tokens like those of the tenant's own lists. */
const sessionsPage = ({ tenantId, id }: OpenSession) =>
  new PageTokens("sessions", tenantId, "user", "alice", true).encode("1735689600000", id);
const searchPage = ({ id }: OpenSession) => new PageTokens("session_search", "{}", true).encode(id);
const keysPage = ({ tenantId, keyId }: OpenSession) =>
  new PageTokens("signing_keys", tenantId).encode("1735689600000", keyId);
const auditPage = ({ tenantId }: OpenSession) =>
  new PageTokens("audit_events", tenantId, "", "").encode("1000000");

describe("callers that are limited to tenants (ASVS 8.2.2, 8.4.1, F07)", () => {
  const second = newTenant();
  const ownTenant = newTenant();
  const tokens = { operator: newToken(), ofOne: newToken(), ofTwo: newToken() };
  /** May do everything, in all tenants. */
  let operator: SessionClient;
  /** Callers of the tenant, and of two tenants, by protocol. */
  const limited = {} as Record<
    (typeof protocols)[number],
    Record<"ofOne" | "ofTwo", SessionClient>
  >;
  const { has } = AbsentKeys.prototype;
  const close: (() => void)[] = [];
  let file: TestFile;
  let app: TestApp;
  let mine: OpenSession;
  const theirs = new Map<string, OpenSession>();

  async function open(client: SessionClient, tenantId: string, preLogin = false) {
    const actor = { ...ALICE, tenantId };
    const { id, cookie, csrfToken, created } = await openSession(client, { actor, preLogin });
    return { tenantId, id, cookie, csrfToken, keyId: created.session?.signingKeyId ?? "" };
  }

  /** A client over gRPC or, in JSON over HTTP/1.1, Connect. */
  function clientWith(token: string, protocol: (typeof protocols)[number]): SessionClient {
    if (protocol === "gRPC") {
      const caller = clientOf(app.url, withToken(token));
      close.push(caller.close);
      return caller.client;
    }
    const transport = createConnectTransport({
      baseUrl: app.url,
      httpVersion: "1.1",
      useBinaryFormat: false,
      interceptors: [withToken(token)],
    });
    return createClient(SessionService, transport);
  }

  before(async () => {
    const role = "admin";
    file = await createTestFile(
      tokenLine(tokens.operator, { name: "ops", role }),
      tokenLine(tokens.ofOne, { name: "one", role, tenants: [ownTenant] }),
      tokenLine(tokens.ofTwo, { name: "two", role, tenants: [ownTenant, second] }),
    );
    app = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
    operator = clientWith(tokens.operator, "gRPC");
    for (const protocol of protocols) {
      limited[protocol] = {
        ofOne: clientWith(tokens.ofOne, protocol),
        ofTwo: clientWith(tokens.ofTwo, protocol),
      };
    }
    mine = await open(operator, ownTenant);
    await open(operator, second);
    const other = await startReplica(app.database.url);
    try {
      for (const kind of ["live", "revoked", "expired", "with a retired key", "with an old key"]) {
        theirs.set(kind, await open(operator, newTenant()));
      }
      theirs.set("pre-login", await open(operator, newTenant(), true));
      // This process does not have their keys in its cache.
      for (const kind of ["of another replica", "with an unreadable key"]) {
        theirs.set(kind, await open(other.client, newTenant()));
      }
    } finally {
      await other.stop();
    }
    const of = (kind: string) => theirs.get(kind) as OpenSession;
    await operator.revoke({ session: byId(of("revoked").id), ...ACTING });
    await setAbsolute(app, of("expired").id, -1);
    for (const kind of ["with a retired key", "with an old key"]) {
      const { tenantId } = of(kind);
      await operator.rotateSigningKey({ tenantId, actingActorId: "alice" });
    }
    await app.sql("UPDATE signing_keys SET retired_at = 'epoch' WHERE id = $1", [
      of("with an old key").keyId,
    ]);
    const unreadable = of("with an unreadable key");
    await signingSecret(app.sql, unreadable.keyId);
    await reEncrypt(app.sql, unreadable.keyId);
    await operator.get({ session: { ref: { case: "cookie", value: unreadable.cookie } } }).then(
      () => expect.fail("the key can be read"),
      () => {},
    );
    await app.app.storage.denialAudit.flush();
    // Every look-up is the first one: what the look-ups before it have found is remembered for a second.
    AbsentKeys.prototype.has = () => false;
  });
  after(async () => {
    AbsentKeys.prototype.has = has;
    for (const one of close) one();
    await app.stop();
    await file.remove();
  });

  /** Everything that belongs to the other tenants. */
  async function dump(): Promise<unknown> {
    const tenants = [...theirs.values()].map(({ tenantId }) => tenantId);
    const tables = ["sessions", "signing_keys", "audit_events"].map((table) =>
      app.sql(`SELECT * FROM ${table} WHERE tenant_id = ANY ($1) ORDER BY id`, [tenants]),
    );
    return Promise.all(tables);
  }

  /** What the caller can observe of a call: answer, headers, and how many statements it takes. */
  async function observe(client: SessionClient, method: Method, request: JsonObject) {
    const { input, output } = SessionService.method[method];
    let answer: unknown;
    const metadata: [string, string][] = [];
    const keep = (headers: Headers) => void metadata.push(...headers);
    const statements = await countStatements(/./, async () => {
      try {
        const options = { onHeader: keep, onTrailer: keep };
        const response = await client[method as "get"](
          fromJson<DescMessage>(input, request) as never,
          options,
        );
        answer = withoutOwnSecrets(toJson<DescMessage>(output, response as never) as JsonObject);
      } catch (error) {
        const { code, rawMessage, details, metadata: headers } = ConnectError.from(error);
        keep(headers);
        answer = { code, rawMessage, details: JSON.parse(JSON.stringify(details)) };
      }
    });
    const volatile = ["date", "x-request-id"];
    const headers = metadata.filter(([name]) => !volatile.includes(name)).sort();
    return { answer, headers: lengthless(answer, headers), statements };
  }

  it("cannot tell what belongs to another tenant from what does not exist (property)", async () => {
    const before = await dump();
    const draw = fc.record({
      kind: fc.constantFrom(...theirs.keys()),
      protocol: fc.constantFrom(...protocols),
      tenants: fc.constantFrom("ofOne" as const, "ofTwo" as const),
      which: fc.noBias(fc.nat({ max: 9999 })),
    });
    for (const method of methods) {
      const property = fc.asyncProperty(draw, async ({ kind, protocol, tenants, which }) => {
        const client = limited[protocol][tenants];
        const ofOthers = attempts[method](theirs.get(kind) as OpenSession, mine);
        const ofNobody = attempts[method](nonexistent(), mine);
        const index = which % ofOthers.length;
        const seen = await observe(client, method, ofOthers[index] as JsonObject);
        expect(seen, method).to.deep.equal(
          await observe(client, method, ofNobody[index] as JsonObject),
        );
      });
      await fc.assert(property, { numRuns: 32 });
    }
    expect(await dump()).to.deep.equal(before);
  });

  it("have an attempt for every call", () => {
    expect(Object.keys(attempts).sort()).to.deep.equal([...methods].sort());
  });

  it("reach what is theirs, without naming it if they have one tenant (the control)", async () => {
    const { ofOne: one, ofTwo: two } = limited.gRPC;
    for (const client of [one, two]) {
      const { session } = await client.get({ session: byId(mine.id) });
      expect(session?.id).to.equal(mine.id);
      const credential = { case: "cookie", value: mine.cookie } as const;
      await client.validate({ credential, csrfToken: mine.csrfToken });
      await client.validate({ credential, tenantId: mine.tenantId });
    }
    const { sessions } = await one.list({ actor: { ...ALICE, tenantId: "" } });
    expect(sessions.map(({ id }) => id)).to.include(mine.id);
    const { signingKeys } = await one.listSigningKeys({});
    expect(signingKeys.map(({ id }) => id)).to.deep.equal([mine.keyId]);
    const { auditEvents } = await one.listAuditEvents({ resourceId: mine.id });
    expect(auditEvents.map(({ tenantId }) => tenantId)).to.include(mine.tenantId);
    const created = await one.create({ actor: { ...ALICE, tenantId: "" } });
    expect(created.session?.tenantId).to.equal(mine.tenantId);
  });

  it("make no signing key for another tenant", async () => {
    const { ofOne: one } = limited.gRPC;
    const tenantId = newTenant();
    await one.create({ actor: { ...ALICE, tenantId } }).then(
      () => expect.fail("the session was created"),
      ({ rawMessage }: ConnectError) =>
        expect(rawMessage).to.equal(
          "the calling service may not act on a tenant that the request names",
        ),
    );
    expect(await app.sql("SELECT FROM signing_keys WHERE tenant_id = $1", [tenantId])).to.be.empty;
  });

  for (const field of ["actor.tenant_id", "tenant_id"]) {
    it(`of several tenants must name one in ${field}`, async () => {
      const { ofTwo: two } = limited.gRPC;
      const calls =
        field === "tenant_id"
          ? [
              two.listSigningKeys({}),
              two.listAuditEvents({}),
              two.rotateSigningKey({ actingActorId: "alice" }),
            ]
          : [two.create({ actor: ALICE }), two.list({ actor: ALICE })];
      for (const call of calls) {
        const error = ConnectError.from(await call.catch((thrown: unknown) => thrown));
        expect(error.rawMessage).to.equal(
          `${field} is required: the calling service must name one of its tenants`,
        );
      }
    });
  }
});

/** The answer with fixed values in the place of what is new in each answer. */
function withoutOwnSecrets(answer: JsonObject): unknown {
  const { session, cookie, csrfToken } = answer as Record<string, string> & {
    session?: JsonObject;
  };
  let text = JSON.stringify(answer).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>");
  if (cookie !== undefined && csrfToken !== undefined) {
    const made = [cookie, csrfToken, session?.id, session?.metadataEtag];
    for (const [index, value] of made.entries()) {
      if (value) text = text.replaceAll(String(value), `<new ${index}>`);
    }
  }
  return JSON.parse(text);
}

/** Times may have fewer digits, so the length of an answer that succeeds varies. */
function lengthless(answer: unknown, headers: [string, string][]): [string, string][] {
  const failed = (answer as { code?: number }).code !== undefined;
  return failed ? headers : headers.filter(([name]) => name !== "content-length");
}
