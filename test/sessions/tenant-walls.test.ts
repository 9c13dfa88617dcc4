import { randomBytes } from "node:crypto";
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import fc from "fast-check";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { TenantId } from "../../src/session/ids.ts";
import { PageTokens } from "../../src/session/pages.ts";
import { byId, newTenant, openSession } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { setAbsolute } from "../support/back-dating.ts";
import { type CallerLimit, limitCallers } from "../support/limited-callers.ts";
import { signingSecret } from "../support/signing-keys.ts";
import { countStatements } from "../support/statement-log.ts";
import { reEncrypt } from "../support/unreadable-signing-keys.ts";

type Method = keyof typeof SessionService.method;
const methods = Object.keys(SessionService.method) as Method[];

/** A session, with all that names it or belongs to it. */
interface Thing {
  readonly tenantId: string;
  readonly id: string;
  readonly keyId: string;
  readonly cookie: string;
  readonly csrfToken: string;
}

const hex = (bytes: number) => randomBytes(bytes).toString("hex");
const token = () => randomBytes(32).toString("base64url");

/** Well-formed, and never made by anybody. */
function nonexistent(): Thing {
  const [id, keyId] = [`ses-${hex(22)}`, `sk-${hex(16)}`];
  const cookie = `v1.${id}.${keyId}.${token()}`;
  return { tenantId: newTenant(), id, keyId, cookie, csrfToken: token() };
}

const ALICE = { actorType: "user", actorId: "alice" };
const ACTING = { reason: "logout", actingActorId: "alice" };

/** Every way to name the other session, without its tenant and with each that may be named. */
function refsTo(other: Thing, mine: Thing): JsonObject[] {
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
const attempts: Record<Method, (other: Thing, mine: Thing) => JsonObject[]> = {
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
  // It names nothing: who may call it is shown by sweep-rules.
  garbageCollect: () => [],
  get: (other, mine) => refsTo(other, mine).map((session) => ({ session })),
  list: (other, mine) => [
    ...refsTo(other, mine).map((current) => ({ actor: actorOf(mine), current })),
    { actor: actorOf(other) },
    { actor: actorOf(other), includeEnded: true, pageToken: sessionsPage(other) },
    { actor: actorOf(mine), pageToken: sessionsPage(other) },
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
  ],
};

function actorOf({ tenantId }: Thing, actorId = "alice") {
  return { ...ALICE, tenantId, actorId };
}

/** Tokens like those of the tenant's own lists. */
const sessionsPage = ({ tenantId, id }: Thing) =>
  new PageTokens("sessions", tenantId, "user", "alice", true).encode("1735689600000", id);
const keysPage = ({ tenantId, keyId }: Thing) =>
  new PageTokens("signing_keys", tenantId).encode("1735689600000", keyId);
const auditPage = ({ tenantId }: Thing) =>
  new PageTokens("audit_events", tenantId, "", "").encode("1000000");

describe("callers that are limited to tenants (ASVS 8.2.2, 8.4.1)", () => {
  let app: TestApp;
  let callers: CallerLimit;
  let mine: Thing;
  const second = newTenant();
  const theirs = new Map<string, Thing>();
  const clients: Record<string, Client<typeof SessionService>> = {};

  async function open(replica: Pick<Replica, "client">, tenantId: string, preLogin = false) {
    const actor = { ...ALICE, tenantId };
    const { id, cookie, csrfToken, created } = await openSession(replica.client, {
      actor,
      preLogin,
    });
    return { tenantId, id, cookie, csrfToken, keyId: created.session?.signingKeyId ?? "" };
  }

  before(async () => {
    app = await startTestApp();
    const json = { baseUrl: app.url, httpVersion: "1.1", useBinaryFormat: false } as const;
    clients.gRPC = app.client;
    clients.Connect = createClient(SessionService, createConnectTransport(json));
    mine = await open(app, newTenant());
    await open(app, second);
    const other = await startReplica(app.database.url);
    try {
      for (const kind of ["live", "revoked", "expired", "with a retired key", "with an old key"]) {
        theirs.set(kind, await open(app, newTenant()));
      }
      theirs.set("pre-login", await open(app, newTenant(), true));
      // This process does not have their keys in its cache.
      for (const kind of ["of another replica", "with an unreadable key"]) {
        theirs.set(kind, await open(other, newTenant()));
      }
    } finally {
      await other.stop();
    }
    const of = (kind: string) => theirs.get(kind) as Thing;
    await app.client.revoke({ session: byId(of("revoked").id), ...ACTING });
    await setAbsolute(app, of("expired").id, -1);
    for (const kind of ["with a retired key", "with an old key"]) {
      const { tenantId } = of(kind);
      await app.client.rotateSigningKey({ tenantId, actingActorId: "alice" });
    }
    await app.sql("UPDATE signing_keys SET retired_at = 'epoch' WHERE id = $1", [
      of("with an old key").keyId,
    ]);
    const unreadable = of("with an unreadable key");
    await signingSecret(app.sql, unreadable.keyId);
    await reEncrypt(app.sql, unreadable.keyId);
    await app.client.get({ session: { ref: { case: "cookie", value: unreadable.cookie } } }).then(
      () => expect.fail("the key can be read"),
      () => {},
    );
    await app.app.storage.denialAudit.flush();
    callers = limitCallers();
  });
  afterEach(() => {
    callers.tenants = undefined;
  });
  after(async () => {
    callers?.restore();
    await app.stop();
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
  async function observe(protocol: string, method: Method, request: JsonObject) {
    const { input, output } = SessionService.method[method];
    const client = clients[protocol] as Client<typeof SessionService>;
    let answer: unknown;
    const metadata: [string, string][] = [];
    const keep = (headers: Headers) => void metadata.push(...headers);
    const statements = await countStatements(/./, async () => {
      try {
        const options = { onHeader: keep, onTrailer: keep };
        const response = await client[method](fromJson(input, request) as never, options);
        answer = withoutOwnSecrets(toJson(output, response as never) as JsonObject);
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
      protocol: fc.constantFrom(...Object.keys(clients)),
      method: fc.constantFrom(...methods.filter((method) => method !== "garbageCollect")),
      several: fc.boolean(),
      which: fc.noBias(fc.nat({ max: 9999 })),
    });
    const property = fc.asyncProperty(draw, async ({ kind, protocol, method, several, which }) => {
      const ofOthers = attempts[method](theirs.get(kind) as Thing, mine);
      const ofNobody = attempts[method](nonexistent(), mine);
      const index = which % ofOthers.length;
      const tenants = [mine.tenantId, ...(several ? [second] : [])] as TenantId[];
      const seen = [];
      for (const requests of [ofOthers, ofNobody]) {
        // Each is the first look-up of a caller: what it has found out is remembered by the set.
        callers.tenants = new Set(tenants);
        seen.push(await observe(protocol, method, requests[index] as JsonObject));
      }
      expect(seen[0]).to.deep.equal(seen[1]);
    });
    await fc.assert(property, { numRuns: 400 });
    callers.tenants = undefined;
    expect(await dump()).to.deep.equal(before);
  });

  it("have an attempt for every call", () => {
    expect(Object.keys(attempts).sort()).to.deep.equal([...methods].sort());
  });

  it("reach what is theirs, without naming it if they have one tenant (the control)", async () => {
    for (const tenants of [[mine.tenantId], [mine.tenantId, second]]) {
      callers.tenants = new Set(tenants as TenantId[]);
      const { session } = await app.client.get({ session: byId(mine.id) });
      expect(session?.id).to.equal(mine.id);
      const credential = { case: "cookie", value: mine.cookie } as const;
      await app.client.validate({ credential, csrfToken: mine.csrfToken });
      await app.client.validate({ credential, tenantId: mine.tenantId });
    }
    callers.tenants = new Set([mine.tenantId as TenantId]);
    const { sessions } = await app.client.list({ actor: { ...ALICE, tenantId: "" } });
    expect(sessions.map(({ id }) => id)).to.include(mine.id);
    const { signingKeys } = await app.client.listSigningKeys({});
    expect(signingKeys.map(({ id }) => id)).to.deep.equal([mine.keyId]);
    const { auditEvents } = await app.client.listAuditEvents({ resourceId: mine.id });
    expect(auditEvents.map(({ tenantId }) => tenantId)).to.include(mine.tenantId);
    const created = await app.client.create({ actor: { ...ALICE, tenantId: "" } });
    expect(created.session?.tenantId).to.equal(mine.tenantId);
  });

  it("make no signing key for another tenant", async () => {
    callers.tenants = new Set([mine.tenantId as TenantId]);
    const tenantId = newTenant();
    await app.client.create({ actor: { ...ALICE, tenantId } }).then(
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
      callers.tenants = new Set([mine.tenantId, second] as TenantId[]);
      const calls =
        field === "tenant_id"
          ? [
              app.client.listSigningKeys({}),
              app.client.listAuditEvents({}),
              app.client.rotateSigningKey({ actingActorId: "alice" }),
            ]
          : [app.client.create({ actor: ALICE }), app.client.list({ actor: ALICE })];
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
