import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { failSpan } from "./tracing.ts";

/** A statement that has been sent. */
interface Statement {
  /** What it does to which tables, such as `SELECT sessions`. */
  readonly summary: string | undefined;
  /** Without values. */
  readonly text: string | undefined;
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly database?: string | undefined;
  };
  /** Since when it has waited for a connection, by performance.now(). */
  readonly waitingSince: number | undefined;
}

/** A call that a batch may serve. */
interface CapturedCall {
  readonly context: Context;
  /** By performance.now(). */
  readonly at: number;
}

type Calls = () => readonly unknown[];

/** The calls of the batch whose statements are sent in a context. */
const batchKey = createContextKey("the calls of the batch");

/** Further ones are dropped. SDKs have the same limit by default. */
const MAX_LINKS = 128;

/** With a digit, unlike Node's EPIPE. */
const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;

/**
 * Makes a span of each statement, with the names of OpenTelemetry's conventions for databases. For a batch
 * of calls, its parent is the span of the first one that is sampled, and it has links to the others that
 * are: of a call that is not, there is no span to lead to.
 */
export class StatementSpans {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  start(statement: Statement): StatementSpan {
    const { summary, text, server, waitingSince } = statement;
    const batch = batchOf(context.active());
    const since = waitingSince && (batch?.since ?? waitingSince);
    const attributes: Attributes = {
      "db.system.name": "postgresql",
      ...(server.database !== undefined && { "db.namespace": server.database }),
      ...(summary !== undefined && { "db.query.summary": summary }),
      ...(text !== undefined && { "db.query.text": text }),
      "server.address": server.host,
      // The directory of a Unix socket has none.
      ...(!server.host.startsWith("/") && { "server.port": server.port }),
      ...(since !== undefined && { "sessiond.queue_ms": performance.now() - since }),
      ...(batch !== undefined && { "sessiond.batch.size": batch.size }),
    };
    const span = this.#tracer.startSpan(
      summary ?? "postgresql",
      { kind: SpanKind.CLIENT, attributes, links: batch?.links ?? [] },
      batch?.parent,
    );
    return new StatementSpan(span);
  }

  /** The call that runs now, for `inBatch`. */
  capture(): CapturedCall {
    return { context: context.active(), at: performance.now() };
  }

  /**
   * Runs `work`, whose statements serve these calls.
   *
   * @param calls what `capture` has returned for each, the first one first; called for each statement
   */
  inBatch<T>(calls: Calls, work: () => T): T {
    return context.with(ROOT_CONTEXT.setValue(batchKey, calls), work);
  }
}

class StatementSpan {
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  /** @param error the driver's; undefined if the statement has succeeded */
  end(error: unknown): void {
    if (error !== undefined) this.#fail(error);
    this.#span.end();
  }

  #fail(error: unknown): void {
    const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
    if (typeof code !== "string") {
      failSpan(this.#span, typeof name === "string" ? name : "_OTHER");
      return;
    }
    if (SQLSTATE.test(code)) this.#span.setAttribute("db.response.status_code", code);
    failSpan(this.#span, code);
  }
}

interface Batch {
  readonly size: number;
  /** Since when its first call has waited, by performance.now(). */
  readonly since: number | undefined;
  readonly parent: Context;
  readonly links: Link[];
}

function batchOf(active: Context): Batch | undefined {
  const calls = active.getValue(batchKey) as Calls | undefined;
  if (calls === undefined) return undefined;
  const captured = calls() as readonly CapturedCall[];
  const [parent, ...others] = captured.filter((call) => isSampled(call.context));
  return {
    size: captured.length,
    since: captured[0]?.at,
    parent: (parent ?? captured[0])?.context ?? ROOT_CONTEXT,
    links: others.slice(0, MAX_LINKS).map((call) => ({ context: spanContextOf(call.context) })),
  };
}

function isSampled(within: Context): boolean {
  const spanContext = trace.getSpanContext(within);
  return spanContext !== undefined && (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0;
}

function spanContextOf(within: Context): SpanContext {
  return trace.getSpanContext(within) as SpanContext;
}
