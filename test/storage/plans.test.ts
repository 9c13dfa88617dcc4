import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import pg from "pg";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byCookie, byId, newTenant, openSession } from "../support/actors.ts";
import {
  type Replica,
  type SessionClient,
  startReplica,
  startTestApp,
  type TestApp,
} from "../support/app.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { createTestDatabase } from "../support/database.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { type SentStatement, statementsDuring } from "../support/statement-log.ts";
import { until } from "../support/until.ts";

const SESSIONS = 100_000;
const limit = { SESSIOND_MAX_SESSIONS_PER_ACTOR: "2" };
const acting = { actingActorId: "root" };

/** A filter that makes use of all its fields. */
const everyField = {
  tenantId: "tenant-1",
  actorType: "user",
  ipAddress: "10.0.0.0/8",
  userAgentContains: "agent",
  createdSince: timestampFromMs(0),
  createdBefore: timestampFromMs(Date.now() + 3_600_000),
  seenSince: timestampFromMs(0),
  seenBefore: timestampFromMs(Date.now() + 3_600_000),
};

type Method = keyof typeof SessionService.method;

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly Plan[];
}

/** The tables that a plan reads from end to end. The server's list of databases is none of ours. */
function scanned(plan: Plan): string[] {
  const { "Relation Name": table = "?" } = plan;
  const own = plan["Node Type"] === "Seq Scan" && table !== "pg_database" ? [table] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(scanned)];
}

describe("storage: plans", () => {
  let app: TestApp;
  let rejecting: Replica;
  let client: pg.Client;

  before(async () => {
    app = await startTestApp({
      env: {
        ...limit,
        SESSIOND_SWEEP_BATCH_SIZE: "1000",
        SESSIOND_TOUCH_INTERVAL: "0s",
        SESSIOND_TOKEN_ISSUER: "sessiond",
        SESSIOND_TOKEN_AUDIENCES: "orders",
      },
    });
    rejecting = await startReplica(app.database.url, {
      env: { ...limit, SESSIOND_SESSION_LIMIT_POLICY: "reject" },
    });
    await fill(app);
    client = new pg.Client({ connectionString: app.database.url });
    await client.connect();
  });
  after(async () => {
    await client?.end();
    await rejecting?.stop();
    await app?.stop();
  });

  /** The tables that the server would read from end to end to run the statement. */
  async function seqScans({ text, values }: SentStatement, generic: boolean): Promise<string[]> {
    const explain = generic ? "EXPLAIN (GENERIC_PLAN, FORMAT JSON)" : "EXPLAIN (FORMAT JSON)";
    const { rows } = await client.query(`${explain} ${text}`, generic ? [] : [...values]);
    const [{ Plan: plan }] = rows[0]["QUERY PLAN"];
    return scanned(plan);
  }

  /** Each RPC once or more, in all the forms that make it ask the database something else. */
  const calls: Record<Method, () => Promise<unknown>> = {
    async create() {
      await openSession(app.client, { actor: { ...crowd, tenantId: newTenant() } });
      const first = await openSession(app.client, { actor: crowd });
      // At the limit: the oldest is evicted.
      await openSession(app.client, { actor: crowd, replaces: byCookie(first.cookie) });
      await openSession(app.client, { actor: crowd });
      await openSession(app.client, { actor: crowd });
      await app.client.create({ preLogin: true });
      await expectFailure(rejecting.client.create({ actor: crowd }), "SESSION_LIMIT_REACHED");
    },
    async validate() {
      const { cookie, csrfToken } = await openSession(app.client);
      const credential = { case: "cookie", value: cookie } as const;
      await app.client.validate({ credential, csrfToken, touch: true });
    },
    async validateCsrf() {
      const { id, csrfToken } = await openSession(app.client);
      await app.client.validateCsrf({ session: byId(id), csrfToken });
    },
    async touch() {
      const { cookie } = await openSession(app.client);
      await app.client.touch({ session: byCookie(cookie) });
    },
    async revoke() {
      const { cookie } = await openSession(app.client);
      await app.client.revoke({ session: byCookie(cookie) });
    },
    async revokeAllForActor() {
      const { id, actor } = await openSession(app.client);
      const reason = "admin_revoke";
      await app.client.revokeAllForActor({ actor, keep: byId(id), reason, ...acting });
      await app.client.revokeAllForActor({ actor: crowd, reason, ...acting });
    },
    async rotateCsrf() {
      const { cookie, actor } = await openSession(app.client);
      await app.client.rotateCsrf({ target: { case: "session", value: byCookie(cookie) } });
      await app.client.rotateCsrf({ target: { case: "actor", value: actor }, ...acting });
    },
    async rotateSession() {
      const { cookie } = await openSession(app.client, { actor: crowd });
      const session = byCookie(cookie);
      const grace = { seconds: 30n, nanos: 0 };
      const { cookie: next } = await app.client.rotateSession({ session, grace });
      await app.client.rotateSession({ session: byCookie(next), grace });
      await app.client.get({ session });
    },
    async updateMetadata() {
      const { cookie, created } = await openSession(app.client);
      const metadataEtag = created.session?.metadataEtag ?? "";
      await app.client.updateMetadata({ session: byCookie(cookie), metadataEtag });
    },
    async rotateSigningKey() {
      await app.client.rotateSigningKey({ tenantId: "tenant-1", ...acting });
    },
    async get() {
      const { id } = await openSession(app.client);
      await app.client.get({ session: byId(id) });
    },
    async list() {
      for (const includeEnded of [false, true]) {
        const request = { actor: crowd, includeEnded, pageSize: 1 };
        await openSession(app.client, { actor: crowd });
        await openSession(app.client, { actor: crowd });
        const { nextPageToken: pageToken } = await app.client.list(request);
        expect(pageToken).not.to.equal("");
        await app.client.list({ ...request, pageToken });
      }
    },
    async listSessions() {
      const filters = [
        {},
        { tenantId: "tenant-1" },
        everyField,
        { createdSince: timestampFromMs(Date.now() - 3_600_000) },
      ];
      for (const filter of filters) {
        for (const includeEnded of [false, true]) {
          const request = { filter, includeEnded, pageSize: 1 };
          const { nextPageToken: pageToken } = await app.client.listSessions(request);
          expect(pageToken).not.to.equal("");
          await app.client.listSessions({ ...request, pageToken });
        }
      }
    },
    async revokeSessions() {
      const reason = "admin_revoke";
      for (const dryRun of [true, false]) {
        const request = { filter: everyField, reason, ...acting, dryRun };
        await openSession(app.client, { actor: crowd, userAgent: "Agent", ipAddress: "10.0.0.1" });
        const { nextPageToken: pageToken } = await app.client.revokeSessions(request);
        expect(pageToken).not.to.equal("");
        await app.client.revokeSessions({ ...request, pageToken });
      }
    },
    async listSigningKeys() {
      const request = { tenantId: "tenant-1", pageSize: 1 };
      const { nextPageToken: pageToken } = await app.client.listSigningKeys(request);
      expect(pageToken).not.to.equal("");
      await app.client.listSigningKeys({ ...request, pageToken });
    },
    async rotateTokenKey() {
      await app.client.rotateTokenKey(acting);
      await app.client.rotateTokenKey({ ...acting, immediately: true });
    },
    async listTokenKeys() {
      const { nextPageToken: pageToken } = await app.client.listTokenKeys({ pageSize: 1 });
      expect(pageToken).not.to.equal("");
      await app.client.listTokenKeys({ pageSize: 1, pageToken });
    },
    async listAuditEvents() {
      const tenantId = "tenant-1";
      for (const filter of [
        {},
        { resourceId: "resource-1" },
        { actingActorId: "actor-1" },
        { resourceId: "resource-1", actingActorId: "actor-1" },
      ]) {
        const request = { tenantId, ...filter, pageSize: 1 };
        const { nextPageToken: pageToken } = await app.client.listAuditEvents(request);
        expect(pageToken, JSON.stringify(filter)).not.to.equal("");
        await app.client.listAuditEvents({ ...request, pageToken });
      }
      const hour = (hours: number) => timestampFromMs(Date.now() - hours * 3_600_000);
      for (const oldestFirst of [false, true]) {
        for (const filter of [
          { tenantId },
          { allTenants: true },
          { tenantId, action: "auth.session_revoked" },
          { allTenants: true, resourceId: "resource-1", actingActorId: "actor-1" },
          { tenantId, afterId: 10n, occurredSince: hour(2000), occurredBefore: hour(1000) },
          { allTenants: true, occurredSince: hour(2000), occurredBefore: hour(1000) },
        ]) {
          const request = { ...filter, oldestFirst, pageSize: 1 };
          const { nextPageToken: pageToken } = await app.client.listAuditEvents(request);
          expect(pageToken, JSON.stringify(oldestFirst)).not.to.equal("");
          await app.client.listAuditEvents({ ...request, pageToken });
        }
      }
    },
    // The last one, because it empties the tables.
    async garbageCollect() {
      await app.client.garbageCollect({});
    },
  };

  it("the control: a statement that no index serves is noticed", async () => {
    const text = "SELECT FROM sessions WHERE user_agent = $1";
    expect(await seqScans({ text, values: ["x"] }, false)).to.deep.equal(["sessions"]);
  });

  for (const [name, call] of Object.entries(calls)) {
    it(`C03: ${name} reads no table from end to end at ${SESSIONS} sessions`, async () => {
      const statements = await statementsDuring(call);
      const checked = statements.filter(({ text }) => /\b(FROM|INTO|UPDATE)\b/.test(text));
      expect(checked).not.to.deep.equal([]);
      const [{ server_version_num: version } = { server_version_num: "0" }] = await app.sql<{
        server_version_num: string;
      }>("SHOW server_version_num");
      for (const statement of checked) {
        expect(await seqScans(statement, false), statement.text).to.deep.equal([]);
        // What a prepared statement may come to after five uses. PostgreSQL 15 cannot tell.
        if (Number(version) >= 160_000) {
          expect(await seqScans(statement, true), statement.text).to.deep.equal([]);
        }
      }
    });
  }

  it("covers every RPC", () => {
    expect(Object.keys(calls)).to.have.members(Object.keys(SessionService.method));
  });
});

describe("storage: heap-only updates", () => {
  const PAGES = 20;
  /** As many as the room that a full page keeps for updates has place for. */
  const ROUNDS = 3;

  const updates: Record<string, (client: SessionClient, id: string) => Promise<unknown>> = {
    async Touch(client, id) {
      const { touched } = await client.touch({ session: byId(id) });
      expect(touched).to.equal(true);
    },
    UpdateMetadata: (client, id) =>
      client.updateMetadata({ session: byId(id), metadata: { theme: "dark" }, ...acting }),
  };

  /**
   * An exact number, because nothing else has a say in it. A page takes heap-only updates while it
   * has room, and room comes back when PostgreSQL prunes it, which any open transaction can put
   * off, another database's too. So each page gets no more than it has room for from the start.
   */
  for (const [name, update] of Object.entries(updates)) {
    it(`${name} is a heap-only update`, async () => {
      const database = await createTestDatabase();
      try {
        // The counts of a server process are complete once it has ended.
        const updating = await startReplica(database.url, {
          env: { SESSIOND_TOUCH_INTERVAL: "0s" },
        });
        const { id: original } = await openSession(updating.client);
        await cloneSessions(database.sql, original, 50 * PAGES);
        // One of each page, and not of the last, which may have more room than a full one.
        const sessions = await database.sql<{ id: string }>(
          `SELECT DISTINCT ON (page) id
           FROM sessions, LATERAL (SELECT (ctid::text::point)[0] AS page) AS at
           ORDER BY page, id LIMIT $1`,
          [PAGES],
        );
        for (const _ of numbers(ROUNDS)) {
          for (const { id } of sessions) await update(updating.client, id);
        }
        await updating.stop();

        const made = PAGES * ROUNDS;
        const counts = await until("all updates are counted", async () => {
          const [row] = await database.sql<{ updates: number; hot: number }>(
            `SELECT n_tup_upd::integer AS updates, n_tup_hot_upd::integer AS hot
             FROM pg_stat_user_tables WHERE relname = 'sessions'`,
          );
          return row && row.updates >= made && row;
        });
        expect(counts).to.deep.equal({ updates: made, hot: made });
      } finally {
        await database.drop();
      }
    });
  }
});

/** One of the actors whose sessions fill the table. */
const crowd = { tenantId: "tenant-1", actorType: "user", actorId: "actor-1" };

/**
 * Sessions of 1000 actors in 10 tenants, most of them ended, their audit, and 1000 keys, a few of
 * which are past their retention: what there is when sweeps keep up.
 */
async function fill({ sql }: TestApp): Promise<void> {
  // Plans are made from the statistics of the VACUUM ANALYZE below and no others.
  for (const table of ["sessions", "signing_keys", "token_keys", "audit_events"]) {
    await sql(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  }
  await sql(
    `INSERT INTO signing_keys
     SELECT 'sk-' || md5(n::text), 'tenant-' || n % 100, '\\x00', 'none', now() - n * interval '1 min',
       CASE WHEN n >= 100 OR n = 1 THEN now() - n * interval '50 sec' END
     FROM generate_series(0, 999) AS n`,
  );
  // Besides the one that the start has made.
  await sql(
    `INSERT INTO token_keys
     SELECT 'tk-' || md5(n::text), 'ES256', '\\x00', 'none', now() - n * interval '1 hour',
       now() - n * interval '1 hour', now() - n * interval '1 hour'
     FROM generate_series(1, 10000) AS n`,
  );
  await sql(
    `INSERT INTO sessions
     SELECT 'ses-' || lpad(to_hex(n), 12, '0') || md5(n::text), 'tenant-' || n % 10, 'user',
       'actor-' || n % 1000, '', n % 50 = 0, opened, opened, 1800,
       opened + interval '12 hours', CASE WHEN n % 7 = 0 THEN opened END, '', '', '', 'agent',
       'sk-' || md5((n % 950)::text), decode(repeat('00', 32), 'hex'), '{}'
     FROM generate_series(1, $1::integer) AS n,
       LATERAL (SELECT now() - n * interval '20 seconds' AS opened) AS at`,
    [SESSIONS],
  );
  await sql(
    `INSERT INTO audit_events (occurred_at, category, action, acting_actor_id, calling_service,
       tenant_id, resource_type, resource_id, details)
     SELECT now() - (100001 - n) * interval '100 seconds', 'auth', 'auth.session_created',
       'actor-' || n % 1000, '', 'tenant-' || n % 10, 'session', 'resource-' || n % 1000, '{}'
     FROM generate_series(1, $1::integer) AS n`,
    [SESSIONS],
  );
  await sql("VACUUM ANALYZE");
}
