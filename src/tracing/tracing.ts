import { setTimeout as delay } from "node:timers/promises";
import {
  context,
  type Span,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";

/** The name of the instrumentation scope. */
const SCOPE = "sessiond";

/** How long the end of the process waits for the last spans to be exported. */
const FLUSH_MS = 2000;

/** Spans, by an SDK of OpenTelemetry that was loaded before sessiond. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Starts an internal span. */
  start(name: string): WorkSpan;
  /** Exports what has ended, as far as that succeeds within two seconds. */
  flush(): Promise<void>;
}

/** The span of work that no caller has asked for. */
export interface WorkSpan {
  /** Runs a part of the work in the span's context. */
  run<T>(work: () => T): T;
  /**
   * Called once.
   *
   * @param failure the kind of it; undefined if the work has succeeded
   */
  end(failure: string | undefined): void;
}

/** What the API registers as the global provider, and that provider of the SDK. */
interface Provider extends Partial<Flushing> {
  /** Of ProxyTracerProvider: undefined if no provider is behind it. */
  readonly getDelegateTracer?: (name: string, version: string) => Tracer | undefined;
  readonly getDelegate?: () => TracerProvider & Partial<Flushing>;
  getTracer(name: string, version: string): Tracer;
}

interface Flushing {
  forceFlush(): Promise<void>;
}

/**
 * Asks once whether an SDK is there: the API would only make spans of one that comes later at the price
 * of a call for each. Undefined: nothing is traced.
 *
 * @param version of sessiond
 */
export function openTracing(version: string): Tracing | undefined {
  const provider: Provider = trace.getTracerProvider();
  // The SDK has a copy of the API of its own, so this is no instance of our ProxyTracerProvider.
  const tracer =
    provider.getDelegateTracer === undefined
      ? provider.getTracer(SCOPE, version)
      : provider.getDelegateTracer(SCOPE, version);
  if (tracer === undefined) return undefined;
  return {
    tracer,
    start(name) {
      const span = tracer.startSpan(name);
      const within = trace.setSpan(context.active(), span);
      return {
        run: (work) => context.with(within, work),
        end(failure) {
          if (failure !== undefined) failSpan(span, failure);
          span.end();
        },
      };
    },
    async flush() {
      const flushing = provider.getDelegate?.() ?? provider;
      const flushed = flushing.forceFlush?.().catch(() => {});
      const done = new AbortController();
      await Promise.race([flushed, delay(FLUSH_MS, undefined, done)]);
      done.abort();
    },
  };
}

/**
 * Marks the span as failed. Without a message and without the exception, which may have values in them.
 *
 * @param type of few kinds, such as a code or the name of a class
 */
export function failSpan(span: Span, type: string): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
