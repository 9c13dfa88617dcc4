import { context, propagation, SpanKind, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { until } from "./until.ts";

export interface RecordedSpans {
  /** All that have ended and were sampled, in the order of their ends. */
  readonly all: readonly ReadableSpan[];
  /** Those of calls. */
  readonly calls: readonly ReadableSpan[];
  /** Those of statements. */
  readonly statements: readonly ReadableSpan[];
  /** Those whose parent is the given one. */
  childrenOf(parent: ReadableSpan): readonly ReadableSpan[];
  /** Waits until a span with this name has ended, and returns it. */
  named(name: string): Promise<ReadableSpan>;
  clear(): void;
}

/**
 * Loads an SDK before all tests of the suite, for the sessiond that they start afterwards, and unloads it
 * after them. Each test begins without the spans of earlier ones.
 */
export function useRecordedSpans(sampler?: Sampler): RecordedSpans {
  const exporter = new InMemorySpanExporter();

  before("load the SDK", () => {
    const spanProcessors = [new SimpleSpanProcessor(exporter)];
    const provider = new NodeTracerProvider({ spanProcessors, ...(sampler && { sampler }) });
    // With its W3C propagators, and a context manager on AsyncLocalStorage.
    provider.register();
  });

  beforeEach("forget earlier spans", () => exporter.reset());

  after("unload the SDK", unloadSdk);

  const all = () => exporter.getFinishedSpans();
  return {
    get all() {
      return all();
    },
    get calls() {
      return all().filter(({ kind }) => kind === SpanKind.SERVER);
    },
    get statements() {
      return all().filter(({ kind }) => kind === SpanKind.CLIENT);
    },
    childrenOf(parent) {
      const { spanId } = parent.spanContext();
      return all().filter(({ parentSpanContext }) => parentSpanContext?.spanId === spanId);
    },
    named: (name) =>
      until(`a span ${name} has ended`, async () => all().find((span) => span.name === name)),
    clear: () => exporter.reset(),
  };
}

export function unloadSdk(): void {
  trace.disable();
  context.disable();
  propagation.disable();
}
