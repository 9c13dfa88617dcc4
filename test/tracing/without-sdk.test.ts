import { context, propagation, trace } from "@opentelemetry/api";
import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { everyCall } from "../support/every-call.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";

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
});
