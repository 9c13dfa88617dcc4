import { trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { expect } from "chai";
import { startTestApp } from "../support/app.ts";
import { unloadSdk } from "../support/recorded-spans.ts";

describe("the end of a traced sessiond", () => {
  afterEach(unloadSdk);

  function load(forceFlush: () => Promise<void>): InMemorySpanExporter {
    const exporter = new InMemorySpanExporter();
    const processor = Object.assign(new SimpleSpanProcessor(exporter), { forceFlush });
    new NodeTracerProvider({ spanProcessors: [processor] }).register();
    return exporter;
  }

  it("lets the SDK export, after everything else has ended", async () => {
    let exported: readonly string[] = [];
    const exporter = load(async () => {
      exported = exporter.getFinishedSpans().map(({ name }) => name);
    });
    const app = await startTestApp();
    await app.client.create({ preLogin: true });
    await app.stop();
    expect(exported).to.include.members(["sessiond.start", "sessiond.v1.SessionService/Create"]);
  });

  for (const [what, forceFlush] of [
    ["fails to export", () => Promise.reject(new Error("no"))],
    ["never finishes", () => new Promise<void>(() => {})],
  ] as const) {
    it(`comes although the SDK ${what}`, async () => {
      load(forceFlush);
      const app = await startTestApp();
      await app.stop();
    });
  }

  it("comes although the provider has nothing to export", async () => {
    const tracer = new NodeTracerProvider().getTracer("test");
    trace.setGlobalTracerProvider({ getTracer: () => tracer });
    const app = await startTestApp();
    await app.stop();
  });
});
