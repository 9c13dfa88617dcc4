import { expect } from "chai";
import type { Session } from "../../src/session/session.ts";
import type { CookieLookup, SessionStore } from "../../src/session/session-store.ts";
import { createSessionStore } from "../../src/storage/sessions/pg-session-store.ts";
import { createSigningKeyStore } from "../../src/storage/signing-keys/pg-signing-key-store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { rejected } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import { openConnections, openTestStorage, type TestStorage } from "../support/storage.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilWaiting } from "../support/until.ts";
import { context, firstKey, newKey, newSession, newTenant, noLimit } from "./contract/stores.ts";

/** As many statements for reads as may be under way at once. */
const IN_FLIGHT = 2;

type FindByCookie = (session: Session) => Promise<CookieLookup>;

/** A call whose failure, should it come early, is for whoever awaits it and not for the process. */
function awaitedLater<T>(call: Promise<T>): Promise<T> {
  call.catch(() => {});
  return call;
}

describe("collected reads", () => {
  let test: TestDatabase;
  let proxy: DatabaseProxy;
  let storage: TestStorage;
  let sessions: SessionStore;
  let find: FindByCookie;

  beforeEach(async () => {
    test = await createTestDatabase();
    proxy = await startDatabaseProxy(test.url);
    storage = await openTestStorage(proxy.url, { queueLimit: 1 });
    sessions = createSessionStore(storage.database);
    find = ({ id, signingKeyId }) => sessions.findByCookie(id, signingKeyId, context);
  });
  afterEach(async () => {
    proxy?.restore();
    await storage?.close();
    await proxy?.close();
    await test?.drop();
  });

  async function opened(): Promise<Session> {
    const tenantId = newTenant();
    await createSigningKeyStore(storage.database).insertFirst(firstKey(tenantId), context);
    const created = await sessions.create(newSession(tenantId), undefined, noLimit, context);
    if (created.kind !== "created") throw new Error(created.kind);
    return created.session;
  }

  /** Reads of a session that the server has answered, but whose answers are held back. */
  async function heldReads(session: Session, read: FindByCookie, count: number) {
    // That many connections, none of which has done a read yet.
    await openConnections(storage, count);
    proxy.holdAnswers();
    const reads: Promise<CookieLookup>[] = [];
    for (const index of numbers(count)) {
      reads.push(awaitedLater(read(session)));
      await until("the server has answered it", async () => {
        const answered = await test.sql(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
           AND application_name = 'sessiond' AND query LIKE '%FROM signing_keys%'`,
        );
        return answered.length > index;
      });
    }
    return reads;
  }

  const revoke = ({ id }: Session) =>
    test.sql("UPDATE sessions SET revoked_at = now() WHERE id = $1", [id]);

  for (const held of numbers(IN_FLIGHT + 1)) {
    it(`promise 1: sees what was revoked before it came, with ${held} reads under way`, async () => {
      const session = await opened();
      const before = await heldReads(session, find, held);
      await revoke(session);
      const after = find(session);
      proxy.restore();
      for (const read of before) expect((await read).session?.revokedAt).to.equal(undefined);
      expect((await after).session?.revokedAt).not.to.equal(undefined);
    });
  }

  it("the control: who joins a read that has been sent is told what was true before", async () => {
    const session = await opened();
    let underWay: Promise<CookieLookup> | undefined;
    const joining: FindByCookie = (which) => {
      underWay ??= find(which);
      return underWay;
    };
    await heldReads(session, joining, 1);
    await revoke(session);
    const after = joining(session);
    proxy.restore();
    expect((await after).session?.revokedAt, "revoked, and not seen").to.equal(undefined);
  });

  it("answers each from its own row and key, whoever it shared the statement with", async () => {
    const [first, second] = [await opened(), await opened()] as const;
    const absent = newSession(first.tenantId).id;
    const unknownKey = newKey(first.tenantId).id;
    const reads = await Promise.all([
      find(first),
      find(second),
      find(first),
      find({ ...first, signingKeyId: second.signingKeyId }),
      find({ ...first, id: absent }),
      find({ ...first, signingKeyId: unknownKey }),
    ]);
    const active = { retiredAt: undefined };
    expect(reads.map(({ session, signingKey }) => [session?.id, signingKey])).to.deep.equal([
      [first.id, active],
      [second.id, active],
      [first.id, active],
      [undefined, active],
      [undefined, active],
      [undefined, undefined],
    ]);
    const found = await Promise.all(
      [first.id, absent, second.id].map((id) => sessions.find(id, context)),
    );
    expect(found.map((read) => read?.session)).to.deep.equal([first, undefined, second]);
  });

  it("refuses one more than may wait with OVERLOADED, at once, and serves those that do", async () => {
    const session = await opened();
    const held = await holdTransaction(test);
    try {
      await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      const reads: Promise<CookieLookup>[] = [];
      for (const index of numbers(IN_FLIGHT)) {
        reads.push(awaitedLater(find(session)));
        await untilWaiting(test.sql, index + 1);
      }
      reads.push(awaitedLater(find(session)));
      await rejected(find(session), "OVERLOADED");
      await held.commit();
      for (const read of await Promise.all(reads)) expect(read.session?.id).to.equal(session.id);
    } finally {
      await held.end();
    }
  });

  it("ends a wait that takes too long with OVERLOADED", async () => {
    const session = await opened();
    const impatient = await openTestStorage(test.url, { queueTimeoutMs: 2000 });
    // So that reads have to wait only where the batches are full, not for connections.
    await openConnections(impatient, IN_FLIGHT);
    const store = createSessionStore(impatient.database);
    const held = await holdTransaction(test);
    try {
      await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      const reads: Promise<unknown>[] = [];
      for (const index of numbers(IN_FLIGHT)) {
        reads.push(awaitedLater(store.find(session.id, context)));
        await untilWaiting(test.sql, index + 1);
      }
      await rejected(store.find(session.id, context), "OVERLOADED");
      await held.commit();
      await Promise.all(reads);
    } finally {
      await held.end();
      await impatient.close();
    }
  });
});
