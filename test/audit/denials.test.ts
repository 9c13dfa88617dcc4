import { expect } from "chai";
import type { AuditEntry } from "../../src/session/audit.ts";
import type { AuditStore } from "../../src/session/audit-store.ts";
import { Denials } from "../../src/session/denials.ts";
import type { Reason } from "../../src/session/errors.ts";
import { mintSessionId, type SessionId, secureRandomBytes } from "../../src/session/ids.ts";
import { DenialAuditWriter } from "../../src/storage/audit/denial-audit-writer.ts";
import { createAuditStore } from "../../src/storage/audit/pg-audit-store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectReason } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import { aSession, context, TENANT } from "../support/session-fixtures.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";

const MINUTE = 60_000;

describe("denials", () => {
  const session = aSession();
  let entries: AuditEntry[];
  let now: number;
  let denials: Denials;
  beforeEach(() => {
    entries = [];
    now = 0;
    denials = new Denials({ record: (entry) => entries.push(entry) }, () => now);
  });

  const deny = (reason: Reason, id = session.id, details?: Record<string, string>) => {
    const error = denials.record({ ...session, id }, reason, context, details);
    return expectReason(error, reason);
  };

  it("are audited with who, which session and the real reason", () => {
    deny("REVOKED");
    expect(entries).to.deep.equal([
      {
        action: "auth.session_refused",
        actingActorId: session.actorId,
        callingService: context.callingService,
        tenantId: session.tenantId,
        resourceType: "session",
        resourceId: session.id,
        details: { reason: "REVOKED" },
      },
    ]);
  });

  it("of a binding have actions of their own, and what was seen (A14, A15)", () => {
    deny("IP_MISMATCH", session.id, { seen: "192.0.2.1" });
    deny("USER_AGENT_MISMATCH");
    expect(entries.map(({ action, details }) => [action, details])).to.deep.equal([
      ["auth.session_ip_mismatch", { reason: "IP_MISMATCH", seen: "192.0.2.1" }],
      ["auth.session_ua_mismatch", { reason: "USER_AGENT_MISMATCH" }],
    ]);
  });

  it("that repeat are audited once a minute, with the number of the others in the next event", () => {
    for (now of [0, 1, MINUTE - 1, MINUTE, 2 * MINUTE]) deny("REVOKED");
    expect(entries.map(({ details }) => details)).to.deep.equal([
      { reason: "REVOKED" },
      { reason: "REVOKED", repeated: "2" },
      { reason: "REVOKED" },
    ]);
  });

  it("repeat only for the same session and reason", () => {
    deny("REVOKED");
    deny("CSRF_MISMATCH");
    deny("REVOKED", mintSessionId(secureRandomBytes, 0));
    expect(entries).to.have.length(3);
  });

  it("are compared with the last 10,000", () => {
    const refuse = (index: number) => deny("REVOKED", `ses-${index}` as SessionId);
    for (let index = 0; index <= 10_000; index += 1) refuse(index);
    refuse(1);
    refuse(10_000);
    expect(entries).to.have.length(10_001);
    refuse(0);
    expect(entries).to.have.length(10_002);
  });

  it("are new errors each time: nothing is shared between calls", () => {
    expect(deny("REVOKED")).not.to.equal(deny("REVOKED"));
  });
});

describe("denial audit writer", () => {
  const losses: [count: number, error: unknown][] = [];
  beforeEach(() => {
    losses.length = 0;
  });

  const writerOn = (store: Pick<AuditStore, "append">, queueLimit = 10_000) =>
    new DenialAuditWriter(store as AuditStore, {
      queueLimit,
      onLoss: (count, error) => losses.push([count, error]),
    });

  function record(writer: DenialAuditWriter, count: number): void {
    for (const index of numbers(count)) {
      writer.record({
        action: "auth.session_refused",
        actingActorId: "alice",
        callingService: "",
        tenantId: TENANT,
        resourceType: "session",
        resourceId: `session-${index}`,
        details: { reason: "REVOKED" },
      });
    }
  }

  /** Writes nowhere, once the test opens it, and records the sizes of the batches. */
  function heldStore() {
    const batches: number[] = [];
    const failures: Error[] = [];
    const { promise, resolve: open } = Promise.withResolvers<void>();
    const store: Pick<AuditStore, "append"> = {
      async append(entries) {
        batches.push(entries.length);
        await promise;
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
      },
    };
    return { store, batches, failures, open };
  }

  describe("on a database", () => {
    let database: TestDatabase;
    let storage: TestStorage;
    before(async () => {
      database = await createTestDatabase();
      storage = await openTestStorage(database.url);
    });
    after(async () => {
      await storage?.close();
      await database?.drop();
    });

    it("writes everything in the background, and flush waits for it (A28)", async () => {
      const count = async () => (await database.sql("SELECT 1 FROM audit_events")).length;
      const writer = writerOn(createAuditStore(storage.database));
      await writer.flush();
      record(writer, 1234);
      await writer.flush();
      expect(await count()).to.equal(1234);
      expect([losses, writer.dropped]).to.deep.equal([[], 0]);
      record(writer, 1);
      await writer.flush();
      expect(await count()).to.equal(1235);
    });

    it("loses the entries, and nothing else, without the database (A28)", async () => {
      const closed = await openTestStorage(database.url, { poolSize: 1 });
      const writer = writerOn(createAuditStore(closed.database));
      await closed.close();
      record(writer, 1);
      await writer.flush();
      expect(losses.map(([count]) => count)).to.deep.equal([1]);
    });
  });

  it("writes in bounded batches, one at a time", async () => {
    const { store, batches, open } = heldStore();
    const writer = writerOn(store);
    record(writer, 1100);
    await new Promise(setImmediate);
    expect(batches).to.deep.equal([500]);
    open();
    await writer.flush();
    expect(batches).to.deep.equal([500, 500, 100]);
  });

  it("drops and counts what exceeds the queue's limit, without an error", async () => {
    const { store, batches, open } = heldStore();
    const writer = writerOn(store, 5);
    record(writer, 12);
    expect(writer.dropped).to.equal(7);
    open();
    await writer.flush();
    expect(batches).to.deep.equal([5]);
    expect(losses, "reported once, after the denials").to.deep.equal([[7, undefined]]);
    record(writer, 1);
    await writer.flush();
    expect([batches, writer.dropped]).to.deep.equal([[5, 1], 7]);
  });

  it("counts a batch that could not be written as lost, and writes the next (A28)", async () => {
    const { store, batches, failures, open } = heldStore();
    const writer = writerOn(store);
    const failure = new Error("outage");
    failures.push(failure);
    record(writer, 700);
    open();
    await writer.flush();
    expect(batches).to.deep.equal([500, 200]);
    expect(losses).to.deep.equal([[500, failure]]);
    expect(writer.dropped).to.equal(500);
  });
});
