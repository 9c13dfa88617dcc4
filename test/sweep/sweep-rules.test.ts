import { expect } from "chai";
import type { TenantId } from "../../src/session/ids.ts";
import type { SweepPolicy } from "../../src/session/policy.ts";
import { type SweepPart, type SweepResult, sweep } from "../../src/session/sweep.ts";
import type { SweepStore } from "../../src/session/sweep-store.ts";
import { rejected } from "../support/expect-reason.ts";
import { context, timeouts } from "../support/session-fixtures.ts";

const policy: SweepPolicy = {
  historyMs: 7,
  auditRetentionMs: 90,
  timeLimitMs: 100,
  batchSize: 10,
};

const none = {
  sessions: 0,
  pre_login_sessions: 0,
  signing_keys: 0,
  token_keys: 0,
  audit_events: 0,
};

/** Has that many rows of each kind to delete, and records what it is asked. */
class FakeSweepStore implements SweepStore {
  readonly rows: Record<SweepPart, number>;
  readonly asked: string[] = [];
  readonly failing = new Map<SweepPart, Error>();
  onDelete: (part: SweepPart) => void = () => {};

  constructor(rows: Partial<Record<SweepPart, number>> = {}) {
    this.rows = { ...none, ...rows };
  }

  async withSweepLock<T>(work: () => Promise<T>): Promise<T | undefined> {
    return work();
  }

  deleteEndedSessions = (age: number, limit: number) => this.#delete("sessions", limit, age);
  deletePreLoginSessions = (limit: number) => this.#delete("pre_login_sessions", limit);
  deleteSigningKeys = (age: number, limit: number) => this.#delete("signing_keys", limit, age);
  deleteTokenKeys = (age: number, limit: number) => this.#delete("token_keys", limit, age);
  deleteAuditEvents = (age: number, limit: number) => this.#delete("audit_events", limit, age);

  async #delete(part: SweepPart, limit: number, age?: number): Promise<number> {
    this.asked.push([part, limit, age].filter((value) => value !== undefined).join(" "));
    this.onDelete(part);
    const failure = this.failing.get(part);
    if (failure !== undefined) throw failure;
    const count = Math.min(limit, this.rows[part]);
    this.rows[part] -= count;
    return count;
  }
}

/** Sweeps by a clock that stands still unless the test moves it. */
async function run(
  store: FakeSweepStore,
  { clock = () => 0, signal }: { clock?: () => number; signal?: AbortSignal } = {},
): Promise<SweepResult> {
  const call = { ...context, signal };
  const result = await sweep(store, policy, timeouts, clock, call);
  if (result === undefined) throw new Error("the sweep was not run");
  return result;
}

describe("sweep rules", () => {
  it("deletes nothing for a caller who may not act on all tenants (ASVS 8.2.2)", async () => {
    const store = new FakeSweepStore({ sessions: 1 });
    for (const tenants of [new Set<TenantId>(), new Set(["default" as TenantId])]) {
      const call = { ...context, tenants };
      const swept = sweep(store, policy, timeouts, () => 0, call);
      await rejected(swept, "CALLER_FORBIDDEN");
    }
    expect(store.asked).to.deep.equal([]);
  });

  it("deletes each kind by its own age, keys after the sessions that refer to them (A23)", async () => {
    const rows = {
      sessions: 1,
      pre_login_sessions: 2,
      signing_keys: 3,
      token_keys: 5,
      audit_events: 4,
    };
    const store = new FakeSweepStore(rows);
    const { deleted, more, failures } = await run(store);
    expect(deleted).to.deep.equal(rows);
    expect([more, failures.size]).to.deep.equal([false, 0]);
    expect(store.asked).to.deep.equal([
      `sessions 10 ${policy.historyMs}`,
      "pre_login_sessions 10",
      `signing_keys 10 ${timeouts.keyRetentionMs}`,
      "token_keys 10 3600000",
      `audit_events 10 ${policy.auditRetentionMs}`,
    ]);
  });

  it("deletes in batches until one is not full (fault 6)", async () => {
    const store = new FakeSweepStore({ sessions: 25, signing_keys: 20 });
    const { deleted } = await run(store);
    expect(deleted).to.include({ sessions: 25, signing_keys: 20 });
    const batches = (part: string) => store.asked.filter((call) => call.startsWith(part)).length;
    // 10, 10, 5; and 10, 10, 0: a full batch may have been the last.
    expect([batches("sessions"), batches("signing_keys")]).to.deep.equal([3, 3]);
  });

  it("stops at the time limit and says that there is more (A24)", async () => {
    let now = 0;
    const store = new FakeSweepStore({ sessions: 1000, audit_events: 5 });
    store.onDelete = () => {
      now += 40;
    };
    const { deleted, more } = await run(store, { clock: () => now });
    // Begun at 0, 40 and 80; at 120 the limit of 100 has passed.
    expect(deleted).to.deep.equal({ ...none, sessions: 30 });
    expect(more).to.equal(true);
  });

  it("begins a batch a millisecond before the time limit, and none at it (A24)", async () => {
    const deletedBy = async (now: number) => {
      let calls = 0;
      const store = new FakeSweepStore({ sessions: 1 });
      // The first reading is the start.
      const { deleted } = await run(store, { clock: () => (calls++ === 0 ? 0 : now) });
      return deleted.sessions;
    };
    expect(await deletedBy(policy.timeLimitMs - 1)).to.equal(1);
    expect(await deletedBy(policy.timeLimitMs)).to.equal(0);
  });

  it("keeps all counts where one kind fails, also what that one had done (A23)", async () => {
    const store = new FakeSweepStore({ sessions: 15, signing_keys: 30, audit_events: 3 });
    const failure = new Error("keys");
    let batches = 0;
    store.onDelete = (part) => {
      if (part === "signing_keys" && ++batches === 2) store.failing.set(part, failure);
    };
    const { deleted, more, failures } = await run(store);
    expect(deleted).to.deep.equal({ ...none, sessions: 15, signing_keys: 10, audit_events: 3 });
    expect([...failures]).to.deep.equal([["signing_keys", failure]]);
    expect(more).to.equal(false);
  });

  for (const failing of [false, true]) {
    const how = failing ? "in a batch that fails for it" : "between batches";
    it(`stops ${how} when its caller has gone, with the caller's reason (A24)`, async () => {
      const abort = new AbortController();
      const reason = new Error("gone");
      const store = new FakeSweepStore({ sessions: 100 });
      store.onDelete = () => abort.abort(reason);
      if (failing) store.failing.set("sessions", new Error("cancelled"));
      const error = await run(store, { signal: abort.signal }).catch((thrown: unknown) => thrown);
      expect(error).to.equal(reason);
      expect(store.asked).to.have.length(1);
    });
  }
});
