import { expect } from "chai";
import type { SessionId, TenantId } from "../../src/session/ids.ts";
import type { NewSession, SessionStore } from "../../src/session/session-store.ts";
import { StorageFault } from "../../src/storage/pg/errors.ts";
import { createSessionStore } from "../../src/storage/sessions/pg-session-store.ts";
import { createSigningKeyStore } from "../../src/storage/signing-keys/pg-signing-key-store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { numbers } from "../support/in-parallel.ts";
import { countStatements } from "../support/statement-log.ts";
import { openConnections, openTestStorage, type TestStorage } from "../support/storage.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import {
  until,
  untilBlockedBy,
  untilQueuedBehind,
  untilWaiting,
  waitingCount,
} from "../support/until.ts";
import {
  context,
  firstKey,
  newSession,
  newTenant,
  noLimit,
  readOnce,
  revocation,
  rotationOf,
} from "./contract/stores.ts";

const LOCK = "SELECT FROM sessions WHERE id = $1 FOR UPDATE";

describe("collected writes", () => {
  let test: TestDatabase;
  let storage: TestStorage;
  let sessions: SessionStore;
  let tenantId: TenantId;
  let held: HeldTransaction;

  before(async () => {
    test = await createTestDatabase();
    storage = await openTestStorage(test.url);
    sessions = createSessionStore(storage.database);
    tenantId = newTenant();
    await createSigningKeyStore(storage.database).insertFirst(firstKey(tenantId), context);
  });
  beforeEach(async () => {
    held = await holdTransaction(test);
  });
  afterEach(() => held?.end());
  after(async () => {
    await storage?.close();
    await test?.drop();
  });

  const create = (session: NewSession, replaces?: SessionId) =>
    sessions.create(session, replaces, noLimit, context);

  async function opened(count: number): Promise<readonly SessionId[]> {
    const made = numbers(count).map(() => newSession(tenantId));
    await Promise.all(made.map((session) => create(session)));
    return made.map(({ id }) => id);
  }

  const stored = async (ids: readonly SessionId[]) =>
    (await test.sql("SELECT id FROM sessions WHERE id = ANY ($1)", [ids])).map(({ id }) => id);

  it("of 20 Creates at once, the one that violates a constraint fails, and no other", async () => {
    const [taken = "" as SessionId] = await opened(1);
    const made = numbers(20).map((index) =>
      newSession(tenantId, index === 7 ? { id: taken } : { actorId: `actor-${index}` }),
    );
    let outcomes: PromiseSettledResult<unknown>[] = [];
    const sent = await countStatements(/INSERT INTO sessions/, async () => {
      outcomes = await Promise.allSettled(made.map((session) => create(session)));
    });
    expect(sent, "one statement for all, and then one for each").to.equal(21);
    for (const [index, outcome] of outcomes.entries()) {
      expect(outcome.status, `Create ${index}`).to.equal(index === 7 ? "rejected" : "fulfilled");
    }
    const { reason } = outcomes[7] as PromiseRejectedResult;
    expect(reason).to.be.instanceOf(StorageFault);
    expect(reason).to.include({ constraint: "sessions_pkey" });
    const ids = made.map(({ id }) => id);
    expect(await stored(ids)).to.have.members(ids);
    const audited = await test.sql(
      `SELECT resource_id FROM audit_events
       WHERE action = 'auth.session_created' AND resource_id = ANY ($1)`,
      [ids],
    );
    expect(audited.map(({ resource_id: id }) => id)).to.have.members(ids);
  });

  it("a Create that PostgreSQL cannot read fails alone too", async () => {
    const bad = newSession(tenantId, { userAgent: "\0" });
    const good = numbers(3).map(() => newSession(tenantId));
    const failure = create(bad).catch((error: unknown) => error);
    const outcomes = await Promise.all(good.map((session) => create(session)));
    expect(outcomes.map(({ kind }) => kind)).to.deep.equal(["created", "created", "created"]);
    expect(await failure).to.be.instanceOf(StorageFault);
  });

  it("Creates for tenants with and without a key, and of one replaced session, each get theirs", async () => {
    const [old = "" as SessionId] = await opened(1);
    const outcomes = await Promise.all([
      create(newSession(tenantId), old),
      create(newSession(newTenant())),
      create(newSession(tenantId), old),
      create(newSession(tenantId)),
    ]);
    expect(outcomes.map(({ kind }) => kind)).to.deep.equal([
      "created",
      "key_not_active",
      "created",
      "created",
    ]);
    const replaced = outcomes.map((outcome) => outcome.kind === "created" && outcome.replaced?.id);
    expect(
      replaced.filter((id) => id === old),
      "it was replaced once",
    ).to.have.length(1);
  });

  const changes: Record<string, (id: SessionId) => Promise<unknown>> = {
    touch: (id) => sessions.touch(readOnce(id), 0, context),
    revoke: (id) => sessions.revoke(id, revocation, context),
    "Create that replaces": async (id) => {
      const outcome = await create(newSession(tenantId), id);
      return outcome.kind === "created" ? outcome.replaced : undefined;
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`a row that somebody has locked holds up its own ${name}, and no other`, async () => {
      const [locked = "" as SessionId, ...free] = await opened(11);
      await held.query(LOCK, [locked]);
      let done = false;
      const waiting = change(locked).finally(() => {
        done = true;
      });
      for (const outcome of await Promise.all(free.map(change))) {
        expect(outcome).not.to.equal(undefined);
      }
      await untilBlockedBy(test.sql, held.pid);
      expect(done).to.equal(false);
      await held.commit();
      expect(await waiting).not.to.equal(undefined);
    });
  }

  it("rows that somebody has locked leave connections to the others", async () => {
    const ids = await opened(10);
    for (const id of ids) await held.query(LOCK, [id]);
    const waiting = ids.map((id) => sessions.touch(readOnce(id), 0, context));
    await untilWaiting(test.sql, 1);
    // Batches of all kinds at once, each of which needs a connection.
    const others = await opened(2);
    const [other = "" as SessionId, last = "" as SessionId] = others;
    const done = await Promise.all([
      sessions.find(other, context),
      sessions.touch(readOnce(other), 0, context),
      sessions.revoke(last, revocation, context),
    ]);
    expect(done.map((read) => read?.session.id)).to.deep.equal([other, other, last]);
    const isOne = async () => (await waitingCount(test.sql)) === 1;
    await until("one connection is left for all who wait", isOne);
    await held.commit();
    for (const touched of await Promise.all(waiting)) expect(touched).not.to.equal(undefined);
  });

  it("a row that was locked for a moment only is not queued behind those that stay locked", async () => {
    const [stuck = "" as SessionId, brief = "" as SessionId] = await opened(2);
    const proxy = await startDatabaseProxy(test.url);
    const proxied = await openTestStorage(proxy.url);
    const moment = await holdTransaction(test);
    try {
      const { touch, revoke } = createSessionStore(proxied.database);
      await openConnections(proxied, 4);
      await held.query(LOCK, [stuck]);
      const waiting = touch(readOnce(stuck), 0, context);
      // The connection for those who wait is taken: those who only try give up sooner.
      await untilQueuedBehind(test.sql, held.pid, proxied);

      await moment.query(LOCK, [brief]);
      const [{ now } = { now: undefined }] = await test.sql("SELECT clock_timestamp() AS now");
      proxy.holdAnswers();
      const revoked = revoke(brief, revocation, context);
      await until("the batch has skipped the row", async () => {
        const text = `SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND query LIKE '%WITH item%' AND query NOT LIKE '%pg_stat_activity%'
            AND state = 'idle' AND query_start > $1`;
        return (await test.sql(text, [now])).length === 1;
      });
      await moment.commit();
      proxy.restore();

      expect((await revoked)?.session.id).to.equal(brief);
      expect(await waitingCount(test.sql), "the other one still waits").to.equal(1);
      await held.commit();
      expect(await waiting).not.to.equal(undefined);
    } finally {
      await moment.end();
      await proxied.close();
      await proxy.close();
    }
  });

  it("a Create whose replaced session was rotated waits for its lock, and names the successor", async () => {
    const [old = "" as SessionId] = await opened(1);
    const found = await sessions.find(old, context);
    const rotation = rotationOf((found as NonNullable<typeof found>).session);
    await sessions.rotate(old, rotation, context);
    await held.query(LOCK, [old]);
    const outcome = create(newSession(tenantId), old);
    await untilBlockedBy(test.sql, held.pid);
    await held.end();
    expect(await outcome).to.deep.equal({
      kind: "replaced_was_rotated",
      successorId: rotation.newId,
    });
  });

  it("of touches of one session at once, the interval lets one write", async () => {
    const [id = "" as SessionId] = await opened(1);
    await test.sql(
      "UPDATE sessions SET last_seen_at = last_seen_at - interval '1 minute' WHERE id = $1",
      [id],
    );
    const touches = await Promise.all(
      numbers(20).map(() => sessions.touch(readOnce(id), 30_000, context)),
    );
    expect(touches.filter((read) => read !== undefined)).to.have.length(1);
  });

  it("a caller's deadline spoils nothing of the others, which are stored", async () => {
    await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
    const abort = new AbortController();
    const reason = new Error("deadline");
    const made = numbers(5).map(() => newSession(tenantId));
    const outcomes = Promise.allSettled(
      made.map((session, index) =>
        sessions.create(session, undefined, noLimit, {
          signal: index === 2 ? abort.signal : new AbortController().signal,
          callingService: "",
        }),
      ),
    );
    await untilBlockedBy(test.sql, held.pid);
    abort.abort(reason);
    await held.commit();
    for (const [index, outcome] of (await outcomes).entries()) {
      expect(outcome.status).to.equal(index === 2 ? "rejected" : "fulfilled");
    }
    const kept = made.filter((_, index) => index !== 2).map(({ id }) => id);
    expect(await stored(kept)).to.have.members(kept);
  });

  it("when all callers have gone, nothing is stored", async () => {
    await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
    const abort = new AbortController();
    const made = numbers(5).map(() => newSession(tenantId));
    const outcomes = Promise.allSettled(
      made.map((session) =>
        sessions.create(session, undefined, noLimit, { signal: abort.signal, callingService: "" }),
      ),
    );
    await untilBlockedBy(test.sql, held.pid);
    abort.abort(new Error("gone"));
    await outcomes;
    await until("its statement has been stopped", async () => {
      const text = "SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
      return (await test.sql(text, [held.pid])).length === 0;
    });
    await held.commit();
    expect(await stored(made.map(({ id }) => id))).to.deep.equal([]);
  });

  it("two replicas that change the same sessions in opposite orders do not deadlock", async () => {
    const deadlocks = async () => {
      await test.sql("SELECT pg_stat_clear_snapshot()");
      const [row] = await test.sql(
        "SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()",
      );
      return row?.deadlocks;
    };
    const before = await deadlocks();
    const replicas = [await openTestStorage(test.url), await openTestStorage(test.url)] as const;
    try {
      const one = createSessionStore(replicas[0].database);
      const two = createSessionStore(replicas[1].database);
      for (const _ of numbers(15)) {
        const ids = await opened(100);
        const backwards = ids.toReversed();
        await Promise.all([
          ...ids.map((id) => one.touch(readOnce(id), 0, context)),
          ...backwards.map((id) => two.touch(readOnce(id), 0, context)),
        ]);
        const revoked = await Promise.all([
          ...ids.map((id) => one.revoke(id, revocation, context)),
          ...backwards.map((id) => two.revoke(id, revocation, context)),
        ]);
        expect(
          revoked.filter((read) => read !== undefined),
          "each once",
        ).to.have.length(100);
      }
    } finally {
      // The server's processes report what they have counted at the latest when they end.
      for (const replica of replicas) await replica.close();
    }
    expect(await deadlocks()).to.equal(before);
  });
});
