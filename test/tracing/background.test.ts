import { AsyncLocalStorage } from "node:async_hooks";
import { mock } from "node:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { expect } from "chai";
import { type Replica, startReplica } from "../support/app.ts";
import { createTestDatabase } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { fetchJwks, TOKENS_ENV } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const START = "sessiond.start";
const TOKEN_KEYS = "sessiond.read_token_keys";
const KEY_AGES = "sessiond.read_key_ages";

const REFRESH_MS = 30_000;
const AGES_MS = 60_000;

interface Timers {
  /** Runs what is to run each so many milliseconds. */
  run(intervalMs: number): void;
}

/**
 * Keeps intervals from running by themselves. Each runs in the context in which it was set, as Node's do, and
 * those of mocked timers do not.
 */
function holdIntervals(stack: AsyncDisposableStack): Timers {
  const held: { readonly work: () => void; readonly ms: number }[] = [];
  const hold = (work: () => void, ms: number) => {
    held.push({ work: AsyncLocalStorage.bind(work), ms });
    const timer = { unref: () => timer };
    return timer;
  };
  const replaced = mock.method(globalThis, "setInterval", hold as never);
  stack.defer(() => replaced.mock.restore());
  return {
    run(intervalMs) {
      for (const { work, ms } of held) if (ms === intervalMs) work();
    },
  };
}

describe("spans of what runs without a call", () => {
  const spans = useRecordedSpans();
  let stack: AsyncDisposableStack;
  let timers: Timers;
  let proxy: DatabaseProxy;
  let app: Replica;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    timers = holdIntervals(stack);
    const database = await createTestDatabase();
    stack.defer(() => database.drop());
    proxy = await startDatabaseProxy(database.url);
    stack.defer(() => proxy.close());
    app = await startReplica(proxy.url, { env: { ...TOKENS_ENV, SESSIOND_METRICS_PORT: "0" } });
    stack.defer(() => app.stop());
    stack.defer(() => proxy.restore());
    // The first run of this one is no part of the start.
    await spans.named(KEY_AGES);
  });

  afterEach(() => stack.disposeAsync());

  const all = (name: string) => spans.all.filter((span) => span.name === name);

  const statementsOf = (span: ReadableSpan) => spans.childrenOf(span).map(({ name }) => name);

  function expectInternalRoot(span: ReadableSpan): void {
    expect(span.kind).to.equal(SpanKind.INTERNAL);
    expect(span.parentSpanContext).to.equal(undefined);
  }

  it("K01: the keys of tokens are made and read within the span of the start", async () => {
    const start = await spans.named(START);
    expect(statementsOf(start)).to.include("INSERT token_keys audit_events");
    const [read, ...others] = all(TOKEN_KEYS);
    expect(others).to.deep.equal([]);
    expect(read?.parentSpanContext?.spanId).to.equal(start.spanContext().spanId);
    const roots = spans.all.filter(({ parentSpanContext }) => parentSpanContext === undefined);
    expect(roots.map(({ name }) => name)).to.have.members([START, KEY_AGES]);
  });

  it("K01: each run of a timer has a span and a trace of its own, and its statement is in it", async () => {
    const runs = [await spans.named(START), await spans.named(KEY_AGES)];
    for (const [name, intervalMs, statement] of [
      [TOKEN_KEYS, REFRESH_MS, "SELECT token_keys"],
      [TOKEN_KEYS, REFRESH_MS, "SELECT token_keys"],
      [KEY_AGES, AGES_MS, "SELECT signing_keys"],
    ] as const) {
      spans.clear();
      timers.run(intervalMs);
      const run = await spans.named(name);
      expect(statementsOf(run)).to.deep.equal([statement]);
      expect(spans.all).to.have.length(2);
      runs.push(run);
    }
    for (const run of runs) expectInternalRoot(run);
    expect(new Set(runs.map((run) => run.spanContext().traceId)).size).to.equal(runs.length);
  });

  it("K01: a run that fails says so, without a message", async () => {
    spans.clear();
    proxy.refuse();
    timers.run(REFRESH_MS);
    const read = await spans.named(TOKEN_KEYS);
    expect(read.status).to.deep.equal({ code: SpanStatusCode.ERROR });
    expect(read.attributes).to.deep.equal({ "error.type": "SessionError" });
    expect(read.events).to.deep.equal([]);
  });

  it("K01: the public keys have a span when they are read, and none from memory", async () => {
    spans.clear();
    let requests = 0;
    await until("the keys are read for one of the requests", async () => {
      await Promise.all(Array.from({ length: 10 }, () => fetchJwks(app.url)));
      requests += 10;
      return all(TOKEN_KEYS).length > 0;
    });
    const reads = all(TOKEN_KEYS);
    expect(reads.length).to.be.lessThan(requests);
    for (const read of reads) {
      expectInternalRoot(read);
      expect(statementsOf(read)).to.deep.equal(["SELECT token_keys"]);
    }
    expect(spans.all.length).to.equal(2 * reads.length);
  });
});
