import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import fc from "fast-check";
import { newActor, newTenant, openSession } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { type FrozenClock, freezeClock } from "../support/frozen-clock.ts";
import { numbers } from "../support/in-parallel.ts";
import { allPages } from "../support/pages.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

type Request = Parameters<TestApp["client"]["listAuditEvents"]>[0];

/** How many events one call reads. */
const MAX_ROWS = 5000;
const SECOND = 1000;
const HOUR = 3600 * SECOND;

const INSERT = `
  INSERT INTO audit_events (occurred_at, category, action, acting_actor_id, calling_service,
    tenant_id, resource_type, resource_id, details)`;

describe("audit events by time", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({ env: { SESSIOND_DATABASE_STATEMENT_TIMEOUT: "1m" } });
  });
  after(() => app?.stop());

  /** One event, as of that time, with the next id. */
  async function event(tenantId: string, ms: number, facts: { action?: string } = {}) {
    const { action = "auth.session_created" } = facts;
    const [row] = await app.sql<{ id: string }>(
      `${INSERT} VALUES ($1, 'auth', $2, 'actor', '', $3, 'session', 'resource', '{}')
       RETURNING id`,
      [new Date(ms), action, tenantId],
    );
    return BigInt(row?.id ?? 0);
  }

  async function list(request: Request): Promise<bigint[]> {
    const pages = await allPages((pageToken) =>
      app.client.listAuditEvents({ ...request, pageToken }),
    );
    return pages.flatMap(({ auditEvents }) => auditEvents.map(({ id }) => id));
  }

  /** A period that has ended, so that there is a last page also with the oldest first. */
  const past = { occurredBefore: timestampFromMs(Date.now() - 2 * 60 * SECOND) };

  it("are from the first time to just before the second, in both orders", async () => {
    const tenantId = newTenant();
    const at = Date.now() - HOUR;
    const ids: bigint[] = [];
    for (const offset of [-1, 0, 1]) ids.push(await event(tenantId, at + offset));
    const [before, exact, after] = ids;
    const cases: [Request, (bigint | undefined)[]][] = [
      [{ occurredSince: timestampFromMs(at) }, [exact, after]],
      [{ occurredSince: timestampFromMs(at + 1) }, [after]],
      [{ occurredSince: timestampFromMs(at + 2) }, []],
      [{ occurredBefore: timestampFromMs(at) }, [before]],
      [{ occurredBefore: timestampFromMs(at + 1) }, [before, exact]],
      [{ occurredSince: timestampFromMs(at), occurredBefore: timestampFromMs(at + 1) }, [exact]],
    ];
    for (const [request, expected] of cases) {
      expect(await list({ tenantId, ...request })).to.deep.equal(expected.toReversed());
      expect(await list({ tenantId, ...past, ...request, oldestFirst: true })).to.deep.equal(
        expected,
      );
    }
  });

  it("are found in a large log, by bisection, with few statements", async () => {
    const tenantId = newTenant();
    const start = Date.now() - 100 * HOUR;
    // Two of 100 hours belong to the tenant; the order of ids and that of times differ by up to 5 minutes.
    await app.sql(
      `${INSERT}
       SELECT $1::timestamptz + n * interval '6 seconds' + (n * 7919 % 300) * interval '1 second',
         'auth', 'auth.session_created', 'actor', '',
         CASE WHEN n BETWEEN 30000 AND 31199 THEN $2 ELSE 'others' END, 'session', n::text, '{}'
       FROM generate_series(0, 59999) AS n`,
      [new Date(start), tenantId],
    );
    const rows = await app.sql<{ id: string; ms: string }>(
      `SELECT id, (extract(epoch FROM occurred_at) * 1000)::bigint AS ms FROM audit_events
       WHERE occurred_at < now() - interval '2 minutes' ORDER BY id`,
    );
    const all = rows.map(({ id, ms }) => ({ id: BigInt(id), ms: Number(ms) }));
    const property = fc.asyncProperty(
      fc.nat({ max: 100 * 3600 }),
      fc.integer({ min: 1, max: 1800 }),
      fc.boolean(),
      async (offset, seconds, oldestFirst) => {
        const [since, before] = [start + offset * SECOND, start + (offset + seconds) * SECOND];
        const period = {
          occurredSince: timestampFromMs(since),
          occurredBefore: timestampFromMs(Math.min(before, Date.now() - 2 * 60 * SECOND)),
        };
        fc.pre(timestampMs(period.occurredBefore) > since);
        const found = await list({ allTenants: true, ...period, oldestFirst, pageSize: 200 });
        const expected = all
          .filter(({ ms }) => ms >= since && ms < timestampMs(period.occurredBefore))
          .map(({ id }) => id);
        expect(found).to.deep.equal(oldestFirst ? expected : expected.toReversed());
      },
    );
    await fc.assert(property, { numRuns: 20 });

    const whole = await list({ tenantId, ...past, oldestFirst: true, pageSize: 200 });
    expect(whole).to.have.length(1200);
    expect(await list({ tenantId, pageSize: 200 })).to.deep.equal(whole.toReversed());
  });

  it("of a rare action are on pages that may be empty, in both orders", async () => {
    const tenantId = newTenant();
    const at = Date.now() - 2 * HOUR;
    const rare = [await event(tenantId, at, { action: "auth.rare" })];
    await app.sql(
      `${INSERT} SELECT $1, 'auth', 'auth.session_created', '', '', $2, 'session', n::text, '{}'
       FROM generate_series(1, $3::integer) AS n`,
      [new Date(at), tenantId, 2 * MAX_ROWS],
    );
    rare.push(await event(tenantId, at, { action: "auth.rare" }));
    const request = { tenantId, action: "auth.rare" };
    expect(await list(request)).to.deep.equal(rare.toReversed());
    expect(await list({ ...request, ...past, oldestFirst: true })).to.deep.equal(rare);
    const { auditEvents, nextPageToken } = await app.client.listAuditEvents({
      tenantId,
      action: "auth.none",
    });
    expect(auditEvents).to.deep.equal([]);
    expect(nextPageToken).not.to.equal("");
    expect(await list({ tenantId, action: "auth.none" })).to.deep.equal([]);
  });

  it("go on after an id, in both orders", async () => {
    const tenantId = newTenant();
    const ids: bigint[] = [];
    for (const _ of numbers(5)) ids.push(await event(tenantId, Date.now() - HOUR));
    const request = { tenantId, afterId: ids[1] ?? 0n, pageSize: 2 };
    expect(await list(request)).to.deep.equal(ids.slice(2).toReversed());
    expect(await list({ ...request, ...past, oldestFirst: true })).to.deep.equal(ids.slice(2));
  });

  it("of all tenants need a caller of all tenants (M07)", async () => {
    const [mine, foreign] = [newTenant(), newTenant()];
    const ids = [await event(mine, Date.now() - HOUR), await event(foreign, Date.now() - HOUR)];
    const tokens = { all: newToken(), one: newToken() };
    const role = "admin";
    const file = await createTestFile(
      tokenLine(tokens.all, { name: "all", role }),
      tokenLine(tokens.one, { name: "one", role, tenants: [mine] }),
    );
    const guarded = await startReplica(app.database.url, {
      env: { SESSIOND_CALLERS_FILE: file.path },
    });
    const callers = [tokens.all, tokens.one].map((token) =>
      clientOf(guarded.url, withToken(token)),
    );
    try {
      const [all, one] = callers.map(({ client }) => client);
      const request = {
        allTenants: true,
        afterId: (ids[0] ?? 0n) - 1n,
        action: "auth.session_created",
      };
      const found = await all?.listAuditEvents(request);
      expect(found?.auditEvents.map(({ id }) => id)).to.include.members(ids);
      for (const oldestFirst of [false, true]) {
        const call = one?.listAuditEvents({ allTenants: true, oldestFirst });
        await expectFailure(call as Promise<unknown>, "CALLER_FORBIDDEN");
        const page = await one?.listAuditEvents({ oldestFirst });
        expect(new Set(page?.auditEvents.map((event) => event.tenantId))).to.deep.equal(
          new Set([mine]),
        );
      }
      const both = all?.listAuditEvents({ allTenants: true, tenantId: mine });
      await expectFailure(both as Promise<unknown>, "INVALID_REQUEST", { field: "tenant_id" });
    } finally {
      for (const { close } of callers) close();
      await guarded.stop();
      await file.remove();
    }
  });

  describe("oldest first, without gaps (M06)", () => {
    let replica: Replica;
    let clock: FrozenClock;
    let held: HeldTransaction | undefined;
    before(async () => {
      clock = await freezeClock(app.database, Date.now());
      replica = await startReplica(clock.url, {
        env: { SESSIOND_DATABASE_STATEMENT_TIMEOUT: "5s" },
      });
    });
    afterEach(() => held?.end());
    after(() => replica?.stop());

    /** From now on, this replica reads as of that many seconds after the real time. */
    const ahead = (seconds: number) => clock.set(Date.now() + seconds * SECOND);

    const page = async (request: Request) => {
      const answer = await replica.client.listAuditEvents({ ...request, oldestFirst: true });
      return { ids: answer.auditEvents.map(({ id }) => id), next: answer.nextPageToken };
    };

    it("waits for the events of the last seconds, and always has a next page", async () => {
      const tenantId = newTenant();
      const at = Date.now();
      const old = await event(tenantId, at - 60 * SECOND);
      const recent = await event(tenantId, at);
      await clock.set(at + 5 * SECOND);
      const first = await page({ tenantId });
      expect(first.ids).to.deep.equal([old]);
      expect((await page({ tenantId, pageToken: first.next })).ids).to.deep.equal([]);
      await ahead(60);
      const second = await page({ tenantId, pageToken: first.next });
      expect(second.ids).to.deep.equal([recent]);
      const third = await page({ tenantId, pageToken: second.next });
      expect(third).to.deep.equal({ ids: [], next: third.next });
      expect(third.next).not.to.equal("");
      const later = await event(tenantId, at);
      expect((await page({ tenantId, pageToken: third.next })).ids).to.deep.equal([later]);
    });

    it("waits for a change that is not committed, whose event has a smaller id", async () => {
      const tenantId = newTenant();
      held = await holdTransaction(app.database);
      const values = `($1, 'auth', 'auth.open', '', '', $2, 'session', '', '{}')`;
      await held.query(`${INSERT} VALUES ${values}`, [new Date(), tenantId]);
      const committed = await event(tenantId, Date.now());
      await ahead(60);
      const waiting = await page({ tenantId });
      expect(waiting.ids).to.deep.equal([]);
      // Newest first, it is shown.
      const { auditEvents } = await replica.client.listAuditEvents({ tenantId });
      expect(auditEvents.map(({ id }) => id)).to.deep.equal([committed]);
      await held.commit();
      const { ids } = await page({ tenantId, pageToken: waiting.next });
      expect(ids).to.have.length(2);
      expect(ids[1]).to.equal(committed);
    });

    it("does not wait for transactions that only read", async () => {
      const tenantId = newTenant();
      held = await holdTransaction(app.database);
      await held.query("SELECT count(*) FROM audit_events");
      const id = await event(tenantId, Date.now());
      await ahead(60);
      expect((await page({ tenantId })).ids).to.deep.equal([id]);
    });

    it("ends a period only when nothing can be added to it", async () => {
      const tenantId = newTenant();
      const at = Date.now();
      const id = await event(tenantId, at - 60 * SECOND);
      const later = await event(tenantId, at);
      const request = { tenantId, occurredBefore: timestampFromMs(at) };
      await clock.set(at + 9999);
      const open = await page(request);
      expect(open.ids).to.deep.equal([id]);
      expect(open.next).not.to.equal("");
      await clock.set(at + 10_000);
      expect(await page(request)).to.deep.equal({ ids: [id], next: "" });
      expect(await page({ ...request, pageToken: open.next })).to.deep.equal({ ids: [], next: "" });
      expect(later > id).to.equal(true);
    });

    it("waits for a statement that waits for a lock, also for longer than the statement timeout", async () => {
      const tenantId = newTenant();
      const began = Date.now();
      held = await holdTransaction(app.database);
      await held.query("LOCK TABLE audit_events IN SHARE MODE");
      // As of a replica that was killed, which cancels it no more.
      const writing = app.sql(
        `${INSERT} VALUES ($1, 'auth', 'auth.late', '', '', $2, 'session', '', '{}')`,
        [new Date(began), tenantId],
      );
      await untilBlockedBy(app.sql, held.pid);
      const request = { tenantId, occurredBefore: timestampFromMs(began + 1) };
      await ahead(60);
      const open = await page(request);
      expect(open.next).not.to.equal("");
      await held.commit();
      await writing;
      await ahead(60);
      const end = await page({ ...request, pageToken: open.next });
      expect(end.ids).to.have.length(1);
      expect(end.next).to.equal("");
    });

    describe("with statements that wait for 8 s before they write", () => {
      const WAIT_MS = 8 * SECOND;
      before(() => replica.setStatementTimeout(10 * SECOND));
      after(() => replica.setStatementTimeout(5 * SECOND));

      it("does not go past a change whose event has a smaller id than one that has waited", async () => {
        const tenantId = newTenant();
        const began = Date.now() - WAIT_MS;
        held = await holdTransaction(app.database);
        const values = `($1, 'auth', 'auth.open', '', '', $2, 'session', '', '{}')`;
        await held.query(`${INSERT} VALUES ${values}`, [new Date(), tenantId]);
        const waited = await event(tenantId, began);
        await ahead(60);
        const waiting = await page({ tenantId });
        expect(waiting.ids).to.deep.equal([]);
        await held.commit();
        const { ids } = await page({ tenantId, pageToken: waiting.next });
        expect(ids).to.have.length(2);
        expect(ids[1]).to.equal(waited);
      });

      it("does not end a period before one of it has waited", async () => {
        const tenantId = newTenant();
        const began = Date.now();
        held = await holdTransaction(app.database);
        const lock = "SELECT pg_advisory_xact_lock(1)";
        await held.query(lock);
        const writing = app.sql<{ id: string }>(
          `WITH locked AS MATERIALIZED (${lock}) ${INSERT}
           SELECT $1, 'auth', 'auth.late', '', '', $2, 'session', '', '{}' FROM locked RETURNING id`,
          [new Date(began), tenantId],
        );
        await untilBlockedBy(app.sql, held.pid);
        const request = { tenantId, occurredBefore: timestampFromMs(began + 1) };
        await clock.set(began + WAIT_MS);
        const open = await page(request);
        expect(open.ids).to.deep.equal([]);
        expect(open.next).not.to.equal("");
        await held.commit();
        const [written] = await writing;
        await ahead(60);
        const end = await page({ ...request, pageToken: open.next });
        expect(end).to.deep.equal({ ids: [BigInt(written?.id ?? 0)], next: "" });
      });
    });

    it("stops before an event of the last seconds, also if older ones have larger ids", async () => {
      const tenantId = newTenant();
      const at = Date.now();
      const ids: bigint[] = [];
      for (const age of [60, 0, 50]) ids.push(await event(tenantId, at - age * SECOND));
      await clock.set(at + SECOND);
      const first = await page({ tenantId });
      expect(first.ids).to.deep.equal(ids.slice(0, 1));
      await ahead(60);
      const second = await page({ tenantId, pageToken: first.next });
      expect(second.ids).to.deep.equal(ids.slice(1));
    });

    it("misses and repeats nothing while changes are made, by the real clock", async () => {
      const tenantId = newTenant();
      // The reader is behind by as much.
      await using stack = new AsyncDisposableStack();
      const env = { SESSIOND_DATABASE_STATEMENT_TIMEOUT: "1s" };
      const reader = stack.adopt(await startReplica(app.database.url, { env }), (one) =>
        one.stop(),
      );
      const seen: bigint[] = [];
      let pageToken = "";
      const read = async () => {
        const request = { tenantId, pageToken, pageSize: 7, oldestFirst: true };
        const { auditEvents, nextPageToken } = await reader.client.listAuditEvents(request);
        seen.push(...auditEvents.map(({ id }) => id));
        pageToken = nextPageToken;
        return auditEvents.length;
      };
      let writing = true;
      const writers = numbers(4).map(async (writer) => {
        for (let round = 0; writing; round += 1) {
          const one = await holdTransaction(app.database);
          const values = `(statement_timestamp(), 'auth', 'auth.x', '', '', $1, 'session', '', '{}')`;
          await one.query(`${INSERT} VALUES ${values}`, [tenantId]);
          // Committed in another order than that of the ids.
          for (const _ of numbers((writer * 7 + round) % 5)) await one.query("SELECT 1");
          await one.commit();
        }
      });
      await until("some have been read while others are written", async () => {
        await read();
        return seen.length > 50;
      });
      writing = false;
      await Promise.all(writers);
      const rows = await app.sql<{ id: string }>(
        "SELECT id FROM audit_events WHERE tenant_id = $1 ORDER BY id",
        [tenantId],
      );
      await until("all have been read", async () => {
        while ((await read()) > 0);
        return seen.length >= rows.length;
      });
      expect(seen).to.deep.equal(rows.map(({ id }) => BigInt(id)));
    });

    it("waits longer if the server hides the transactions of other roles", async () => {
      const role = `reader_${process.pid}`;
      const tenantId = newTenant();
      await app.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
      try {
        await app.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
        await app.sql(`GRANT ALL ON SCHEMA public TO ${role}`);
        held = await holdTransaction(app.database);
        const values = `($1, 'auth', 'auth.open', '', '', $2, 'session', '', '{}')`;
        await held.query(`${INSERT} VALUES ${values}`, [new Date(), tenantId]);
        const at = Date.now();
        const id = await event(tenantId, at);
        const url = new URL(clock.url);
        [url.username, url.password] = [role, "x"];
        const limited = await startReplica(url.href, {
          env: { SESSIOND_DATABASE_STATEMENT_TIMEOUT: "10s" },
        });
        try {
          const read = async () =>
            (await limited.client.listAuditEvents({ tenantId, oldestFirst: true })).auditEvents.map(
              (event) => event.id,
            );
          await clock.set(at + 45 * SECOND);
          expect(await read()).to.deep.equal([]);
          // Longer than any change of sessiond's can take.
          await clock.set(at + 45 * SECOND + 1);
          expect(await read()).to.deep.equal([id]);
        } finally {
          await limited.stop();
        }
      } finally {
        await held?.end();
        await app.sql(`DROP OWNED BY ${role}`);
        await app.sql(`DROP ROLE ${role}`);
      }
    });
  });

  it("have a token for their own list only", async () => {
    const { actor } = await openSession(app.client, { actor: newActor({ tenantId: newTenant() }) });
    const { tenantId } = actor;
    for (const _ of numbers(2)) await event(tenantId, Date.now() - HOUR);
    const { nextPageToken: pageToken } = await app.client.listAuditEvents({
      tenantId,
      pageSize: 1,
    });
    for (const other of [
      { oldestFirst: true },
      { action: "auth.session_created" },
      { afterId: 1n },
      { occurredSince: timestampFromMs(1) },
      { occurredBefore: timestampFromMs(1) },
      { tenantId: "", allTenants: true },
    ]) {
      const call = app.client.listAuditEvents({ tenantId, pageToken, ...other });
      await expectFailure(call, "INVALID_REQUEST", { field: "page_token" });
    }
  });
});
