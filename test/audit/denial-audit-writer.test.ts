import { expect } from "chai";
import type { AuditEntry } from "../../src/session/audit.ts";
import type { AuditStore } from "../../src/session/audit-store.ts";
import type { TenantId } from "../../src/session/ids.ts";
import { DenialAuditWriter } from "../../src/storage/audit/denial-audit-writer.ts";
import { PgAuditStore } from "../../src/storage/audit/pg-audit-store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { numbers } from "../support/in-parallel.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";

const TENANT = "refusals" as TenantId;

function entry(index: number): AuditEntry {
  return {
    action: "auth.session_refused",
    actingActorId: "alice",
    callingService: "",
    tenantId: TENANT,
    resourceType: "session",
    resourceId: `session-${index}`,
    details: { reason: "REVOKED" },
  };
}

/** Writes nowhere, when the test lets it, and notes how much at a time. */
function heldStore() {
  const batches: number[] = [];
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const failures: Error[] = [];
  const store: Pick<AuditStore, "append"> = {
    async append(entries) {
      batches.push(entries.length);
      await gate;
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
    },
  };
  return { store: store as AuditStore, batches, failures, open };
}

describe("audit of refusals", () => {
  let test: TestDatabase;
  let storage: TestStorage;

  before(async () => {
    test = await createTestDatabase();
    storage = await openTestStorage(test.url);
  });
  after(async () => {
    await storage?.close();
    await test?.drop();
  });

  const count = async () => {
    const rows = await test.sql("SELECT 1 FROM audit_events WHERE tenant_id = $1", [TENANT]);
    return rows.length;
  };

  it("A28: is written in the background, all of it, and flush waits for that", async () => {
    const losses: number[] = [];
    const writer = new DenialAuditWriter(new PgAuditStore(storage.database), {
      queueLimit: 10_000,
      onLoss: (lost) => losses.push(lost),
    });
    for (const index of numbers(1234)) writer.record(entry(index));
    await writer.flush();
    expect(await count()).to.equal(1234);
    expect([losses, writer.dropped]).to.deep.equal([[], 0]);
    writer.record(entry(0));
    await writer.flush();
    expect(await count()).to.equal(1235);
  });

  it("is written in bounded batches, one at a time", async () => {
    const { store, batches, open } = heldStore();
    const writer = new DenialAuditWriter(store, { queueLimit: 10_000, onLoss: () => {} });
    for (const index of numbers(1100)) writer.record(entry(index));
    await new Promise(setImmediate);
    expect(batches).to.deep.equal([500]);
    open();
    await writer.flush();
    expect(batches).to.deep.equal([500, 500, 100]);
  });

  it("is bounded: what does not fit is dropped and counted, and nothing throws", async () => {
    const { store, batches, open } = heldStore();
    const losses: [number, unknown][] = [];
    const writer = new DenialAuditWriter(store, {
      queueLimit: 5,
      onLoss: (lost, error) => losses.push([lost, error]),
    });
    for (const index of numbers(12)) writer.record(entry(index));
    expect(writer.dropped).to.equal(7);
    open();
    await writer.flush();
    expect(batches).to.deep.equal([5]);
    expect(losses, "told once, and not while a call is refused").to.deep.equal([[7, undefined]]);
    writer.record(entry(0));
    await writer.flush();
    expect([batches, writer.dropped]).to.deep.equal([[5, 1], 7]);
  });

  it("A28: counts a batch that could not be written as lost, and goes on with the next", async () => {
    const { store, batches, failures, open } = heldStore();
    const losses: [number, unknown][] = [];
    const writer = new DenialAuditWriter(store, {
      queueLimit: 10_000,
      onLoss: (lost, error) => losses.push([lost, error]),
    });
    const failure = new Error("outage");
    failures.push(failure);
    for (const index of numbers(700)) writer.record(entry(index));
    open();
    await writer.flush();
    expect(batches).to.deep.equal([500, 200]);
    expect(losses).to.deep.equal([[500, failure]]);
    expect(writer.dropped).to.equal(500);
  });

  it("A28: a database that is away costs the entries, and nothing else", async () => {
    const lost = await openTestStorage(test.url, { poolSize: 1 });
    const losses: number[] = [];
    const writer = new DenialAuditWriter(new PgAuditStore(lost.database), {
      queueLimit: 10,
      onLoss: (entries) => losses.push(entries),
    });
    await lost.close();
    writer.record(entry(1));
    await writer.flush();
    expect(losses).to.deep.equal([1]);
  });

  it("flush has nothing to wait for where nothing was recorded", async () => {
    const { store } = heldStore();
    await new DenialAuditWriter(store, { queueLimit: 1, onLoss: () => {} }).flush();
  });
});
