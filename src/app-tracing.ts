import packageJson from "../package.json" with { type: "json" };
import { describeCall } from "./rpc/call-description.ts";
import type { CallTracer } from "./server/call-tracer.ts";
import type { StatementTracer } from "./storage/pg/statement-tracer.ts";
import { CallSpans } from "./tracing/call-spans.ts";
import { StatementSpans } from "./tracing/statement-spans.ts";
import { openTracing } from "./tracing/tracing.ts";

/** What the parts are given to trace with: nothing, if no SDK is loaded. */
export interface AppTracing extends AsyncDisposable {
  readonly calls: CallTracer | undefined;
  readonly statements: StatementTracer | undefined;
  /** Runs a part of the start in its span. */
  starting<T>(work: () => T): T;
  /** Ends the span of the start. */
  started(): void;
  /** Runs work in a span of its own. */
  inSpan<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Exports the last spans, that of a start that has failed included. */
  [Symbol.asyncDispose](): Promise<void>;
}

const noTracing: AppTracing = {
  calls: undefined,
  statements: undefined,
  starting: (work) => work(),
  started() {},
  inSpan: (_name, work) => work(),
  async [Symbol.asyncDispose]() {},
};

/**
 * Begins the span of the start.
 *
 * @param server where it is to listen
 */
export function openAppTracing(server: {
  readonly host: string;
  readonly port: number;
}): AppTracing {
  const tracing = openTracing(packageJson.version);
  if (tracing === undefined) return noTracing;
  const { tracer } = tracing;
  const start = tracing.start("sessiond.start");
  let isStarted = false;
  return {
    calls: new CallSpans({ tracer, server, describe: describeCall }),
    statements: new StatementSpans(tracer),
    starting: (work) => start.run(work),
    started() {
      isStarted = true;
      start.end(undefined);
    },
    async inSpan(name, work) {
      const span = tracing.start(name);
      try {
        const result = await span.run(work);
        span.end(undefined);
        return result;
      } catch (error) {
        span.end(error instanceof Error ? error.name : "_OTHER");
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      if (!isStarted) start.end("_OTHER");
      await tracing.flush();
    },
  };
}
