import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { rawHeaderGetter } from "./raw-headers.ts";
import { failSpan } from "./tracing.ts";

/** A call that begins. */
interface Call {
  /** `package.Service/Method` of a method that exists. */
  readonly rpc: string;
  readonly protocol: "grpc" | "connectrpc";
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  readonly peer: { readonly address: string };
  /** By performance.now(). */
  readonly arrivedAt: number;
}

/** How a call ended. */
export interface CallOutcome {
  /** The name of the gRPC code; OK if it succeeded. */
  readonly code: string;
  /** The name of the code of the error in whose place a successful response refuses. */
  readonly refusalCode?: string | undefined;
  /** The real reason, also where the caller gets a uniform one. */
  readonly reason?: string | undefined;
  readonly tenant?: string | undefined;
  /** The name of the calling service. */
  readonly caller?: string | undefined;
}

export interface CallSpansOptions<Failure, Values> {
  readonly tracer: Tracer;
  /** Where the server listens, as configured. Port 0: any. */
  readonly server: { readonly host: string; readonly port: number };
  /** Describes how a call ended. What it returns must contain no credential. */
  readonly describe: (error: Failure | undefined, values: Values | undefined) => CallOutcome;
}

/** Services whose calls nobody looks for among the traces, and of which there are many. */
const UNTRACED = /^grpc\.(health|reflection)\./;

/** The codes for which a server's span has failed. Others tell the caller of a mistake of its own. */
const FAILURES = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

/**
 * Makes a span of each call, with the names of OpenTelemetry's conventions for RPC. Its parent is the
 * caller's span, if the call's headers name one.
 */
export class CallSpans<Failure, Values> {
  readonly #options: CallSpansOptions<Failure, Values>;
  /** What all spans have. */
  readonly #attributes: Attributes;

  constructor(options: CallSpansOptions<Failure, Values>) {
    const { host, port } = options.server;
    this.#options = options;
    this.#attributes = {
      "server.address": host,
      ...(port !== 0 && { "server.port": port }),
      "network.protocol.name": "http",
    };
  }

  /** Undefined for health checks and reflection. */
  start(call: Call): CallSpan<Failure, Values> | undefined {
    const { rpc, protocol, rawHeaders, peer, arrivedAt } = call;
    if (UNTRACED.test(rpc)) return undefined;
    const { tracer, describe } = this.#options;
    const caller = propagation.extract(ROOT_CONTEXT, rawHeaders, rawHeaderGetter);
    const attributes = {
      ...this.#attributes,
      "rpc.system.name": protocol,
      "rpc.method": rpc,
      "client.address": peer.address,
      // Only HTTP/2 has pseudo-headers.
      "network.protocol.version": rawHeaders[0]?.startsWith(":") ? "2" : "1.1",
    };
    const startTime = Date.now() - (performance.now() - arrivedAt);
    const span = tracer.startSpan(rpc, { kind: SpanKind.SERVER, attributes, startTime }, caller);
    return new CallSpan(span, trace.setSpan(caller, span), protocol, describe, () => {
      span.end(startTime + (performance.now() - arrivedAt));
    });
  }
}

class CallSpan<Failure, Values> {
  readonly #span: Span;
  readonly #context: Context;
  readonly #protocol: Call["protocol"];
  readonly #describe: CallSpansOptions<Failure, Values>["describe"];
  readonly #end: () => void;

  constructor(
    span: Span,
    within: Context,
    protocol: Call["protocol"],
    describe: CallSpansOptions<Failure, Values>["describe"],
    end: () => void,
  ) {
    this.#span = span;
    this.#context = within;
    this.#protocol = protocol;
    this.#describe = describe;
    this.#end = end;
  }

  run<T>(work: () => T): T {
    return context.with(this.#context, work);
  }

  end(error: Failure | undefined, values: Values | undefined): void {
    if (this.#span.isRecording()) this.#setOutcome(this.#describe(error, values));
    this.#end();
  }

  #setOutcome({ code, refusalCode = code, reason, tenant, caller }: CallOutcome): void {
    // Connect has no code for success.
    if (this.#protocol === "grpc" || code !== "OK") {
      this.#span.setAttribute("rpc.response.status_code", spelled(code, this.#protocol));
    }
    if (reason !== undefined) this.#span.setAttribute("sessiond.reason", reason);
    if (tenant !== undefined) this.#span.setAttribute("sessiond.tenant_id", tenant);
    if (caller !== undefined) this.#span.setAttribute("sessiond.caller", caller);
    if (FAILURES.has(refusalCode)) failSpan(this.#span, spelled(refusalCode, this.#protocol));
  }
}

/** The code as the protocol spells it. */
function spelled(code: string, protocol: Call["protocol"]): string {
  if (protocol === "grpc") return code;
  return code === "CANCELLED" ? "canceled" : code.toLowerCase();
}
