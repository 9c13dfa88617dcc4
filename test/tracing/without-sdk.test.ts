import { mock } from "node:test";
import { context, propagation, trace } from "@opentelemetry/api";
import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { everyCall } from "../support/every-call.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { fetchJwks, TOKENS_ENV } from "../support/tokens.ts";
import { until } from "../support/until.ts";

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** The names of the API's functions that are called while `work` is being done. */
async function apiCallsDuring(work: () => Promise<unknown>): Promise<string[]> {
  const called: string[] = [];
  const restore: (() => void)[] = [];
  for (const [name, api] of Object.entries({ context, propagation, trace })) {
    const methods = api as unknown as Methods;
    const names = new Set([
      ...Object.getOwnPropertyNames(Object.getPrototypeOf(api)),
      ...Object.getOwnPropertyNames(api),
    ]);
    for (const method of names) {
      const original = methods[method];
      if (typeof original !== "function" || method === "constructor") continue;
      const own = Object.getOwnPropertyDescriptor(api, method);
      methods[method] = (...args) => {
        called.push(`${name}.${method}`);
        return original.apply(api, args);
      };
      restore.push(() => {
        if (own === undefined) delete methods[method];
        else Object.defineProperty(api, method, own);
      });
    }
  }
  try {
    await work();
  } finally {
    for (const undo of restore) undo();
  }
  return called;
}

async function makeEveryCall({ client }: TestApp): Promise<void> {
  for (const call of Object.values(everyCall)) await call(client, await openSession(client));
  const { cookie } = await openSession(client);
  await Promise.all(Array.from({ length: 20 }, () => validate(client, cookie)));
}

/** Starts sessiond with all that it reads without a call; its timers run only when the test says so. */
async function startWithTimers(stack: AsyncDisposableStack): Promise<TestApp> {
  mock.timers.enable({ apis: ["setInterval"] });
  stack.defer(() => mock.timers.reset());
  const app = await startTestApp({ env: { ...TOKENS_ENV, SESSIOND_METRICS_PORT: "0" } });
  stack.defer(() => app.stop());
  return app;
}

/** Lets a minute pass for the timers, and reads the public keys. */
async function runTimers({ app, url }: TestApp): Promise<void> {
  const { storage } = app;
  const reads = [
    mock.method(storage.tokenKeys, "published").mock,
    mock.method(storage, "signingKeyAges").mock,
  ];
  mock.timers.tick(60_000);
  await until("both timers read", async () => reads.every((read) => read.callCount() > 0));
  await Promise.all(reads.flatMap(({ calls }) => calls.map(({ result }) => result)));
  await fetchJwks(url);
}

describe("without an SDK", () => {
  it("K05: no function of the tracing API is called on a call", async () => {
    const app = await startTestApp();
    try {
      expect(await apiCallsDuring(() => makeEveryCall(app))).to.deep.equal([]);
      expect(app.app.storage.database.options.tracer).to.equal(undefined);
    } finally {
      await app.stop();
    }
  });

  it("K05: the start only asks whether there is one, and what runs without a call nothing", async () => {
    await using stack = new AsyncDisposableStack();
    const started: TestApp[] = [];
    const duringStart = await apiCallsDuring(async () =>
      started.push(await startWithTimers(stack)),
    );
    expect(duringStart).to.deep.equal(["trace.getTracerProvider"]);
    const [app] = started as [TestApp];
    expect(await apiCallsDuring(() => runTimers(app))).to.deep.equal([]);
  });
});

describe("with an SDK", () => {
  useRecordedSpans();

  it("K05: they are called, so that the count above means something", async () => {
    const app = await startTestApp();
    try {
      const called = new Set(await apiCallsDuring(() => makeEveryCall(app)));
      expect([...called]).to.include.members(["propagation.extract", "context.with"]);
    } finally {
      await app.stop();
    }
  });

  it("K05: they are called by what runs without a call, too", async () => {
    await using stack = new AsyncDisposableStack();
    const app = await startWithTimers(stack);
    const called = new Set(await apiCallsDuring(() => runTimers(app)));
    expect([...called]).to.include.members(["trace.setSpan", "context.with"]);
  });
});
