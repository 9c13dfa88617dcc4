import type { Level, Logger } from "pino";
import { LineLimit } from "./line-limit.ts";
import { Outage, type OutageReport } from "./outage.ts";

/** A call, in the names and the order of the log. */
export interface CallFields {
  /** `package.Service/Method`. */
  readonly rpc: string;
  readonly requestId: string;
  /** The calling service. */
  readonly caller?: string | undefined;
  readonly tenant?: string | undefined;
  /** The gRPC code, such as UNAUTHENTICATED. */
  readonly code: string;
  readonly reason?: string | undefined;
  /** What the caller does not get to know. */
  readonly detail?: string | undefined;
  readonly ms: number;
}

/** What a failed call is a part of. */
export type OutageKind = "database" | "overload";

export interface FailedCall {
  readonly fields: CallFields;
  /** The error to log with its stack and causes: for defects, and for what caused an outage. */
  readonly unexpected?: unknown;
  readonly outage?: OutageKind | undefined;
  /** Whether it was denied without an audit event. */
  readonly unaudited?: boolean | undefined;
}

/** How many lines of failed calls are logged in a second for each code and reason. */
const LINES_PER_SECOND = 10;
/** How often calls are reported that were only counted. */
const SUMMARY_INTERVAL_MS = 60_000;

const DEFECTS = ["UNKNOWN", "INTERNAL", "DATA_LOSS"];
/** The client has to be changed, or the server is slow or too small. */
const WARNINGS = ["INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"];

const outageMessages = {
  database: {
    begin: "the database does not answer: calls fail",
    report: "the database still does not answer: calls fail",
    end: (seconds: number, failed: number) =>
      `the database answers again after ${seconds} s, ${failed} calls failed`,
  },
  overload: {
    begin: "overloaded: calls are refused",
    report: "still overloaded: calls are refused",
    end: (seconds: number, failed: number) =>
      `no longer overloaded after ${seconds} s, ${failed} calls were refused`,
  },
} as const satisfies Record<OutageKind, object>;

export interface CallLogOptions {
  /** Returns milliseconds and never goes back. */
  readonly clock: () => number;
  /** Of the successful calls of this RPC, one in `oneIn` is logged. */
  readonly sampled: { readonly rpc: string; readonly oneIn: number };
}

/**
 * Logs calls: each one at level debug, and above that those that failed. However many
 * fail, only a limited number of these lines is written: what belongs to an outage is combined, and of
 * everything else there are ten lines a second for each code and reason. The rest is counted, and
 * told once a minute.
 */
export class CallLog {
  /** Whether `callSucceeded` has to be called: at level debug, and while an outage lasts. */
  observesSuccess = false;
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #sampled: CallLogOptions["sampled"];
  #sampledCalls = 0;
  #logsEveryCall = false;
  readonly #limit = new LineLimit(LINES_PER_SECOND);
  readonly #outages = { database: new Outage(), overload: new Outage() };
  /** Calls that were not logged, by RPC, code and reason. */
  readonly #notLogged = new Map<string, { call: object; count: number }>();
  /** Denied calls that the audit does not know of, by reason. */
  readonly #unaudited = new Map<string, number>();
  #summarizedAt: number;

  constructor(log: Logger, { clock, sampled }: CallLogOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#sampled = sampled;
    this.#summarizedAt = clock();
    log.on("level-change", this.#update);
    this.#update();
  }

  callFailed(call: FailedCall): void {
    if (call.unaudited) {
      const { code, reason = code } = call.fields;
      this.#unaudited.set(reason, (this.#unaudited.get(reason) ?? 0) + 1);
    }
    if (call.outage !== undefined) this.#outageContinues(call, call.outage);
    else this.#failed(call);
  }

  /** A call that used the database succeeded. */
  callSucceeded(fields: CallFields): void {
    if (this.#logsEveryCall && this.#isSampled(fields.rpc)) this.#log.debug(fields, "call");
    const now = this.#clock();
    for (const kind of ["database", "overload"] as const) {
      const report = this.#outages[kind].callSucceeded(now);
      if (report === undefined) continue;
      this.#log.warn(report, outageMessages[kind].end(report.seconds, report.failed));
      this.#update();
    }
  }

  /** Writes the reports that are due. To be called about once a second. */
  tick(): void {
    const now = this.#clock();
    for (const kind of ["database", "overload"] as const) {
      const report = this.#outages[kind].report(now);
      if (report !== undefined) this.#reportOutage(kind, report);
    }
    if (now - this.#summarizedAt >= SUMMARY_INTERVAL_MS) this.#summarize();
  }

  /** Writes what was only counted, and follows the level no longer. */
  close(): void {
    this.#log.off("level-change", this.#update);
    this.#summarize();
  }

  #summarize(): void {
    this.#summarizedAt = this.#clock();
    if (this.#notLogged.size > 0) {
      const calls = [...this.#notLogged.values()].map(({ call, count }) => ({ ...call, count }));
      this.#notLogged.clear();
      this.#log.warn({ calls }, "calls failed, not logged one by one");
    }
    if (this.#unaudited.size > 0) {
      const reasons = Object.fromEntries(this.#unaudited);
      this.#unaudited.clear();
      this.#log.info({ reasons }, "calls denied without an audit event");
    }
  }

  #outageContinues({ fields, unexpected }: FailedCall, kind: OutageKind): void {
    if (!this.#outages[kind].callFailed(fields.rpc, this.#clock())) {
      this.#log.debug(fields, "call failed");
      return;
    }
    this.#log.error(withError(fields, unexpected), outageMessages[kind].begin);
    this.#update();
  }

  #reportOutage(kind: OutageKind, report: OutageReport): void {
    this.#log.error(report, outageMessages[kind].report);
  }

  #failed({ fields, unexpected }: FailedCall): void {
    const { rpc, code, reason } = fields;
    if (!this.#limit.allows(`${code} ${reason}`, this.#clock())) {
      if (this.#logsEveryCall) this.#log.debug(fields, "call failed");
      else this.#count({ rpc, code, reason });
      return;
    }
    this.#log[levelOf(code, unexpected)](withError(fields, unexpected), "call failed");
  }

  #count(call: Pick<CallFields, "rpc" | "code" | "reason">): void {
    const key = `${call.rpc} ${call.code} ${call.reason}`;
    const counted = this.#notLogged.get(key);
    if (counted === undefined) this.#notLogged.set(key, { call, count: 1 });
    else counted.count += 1;
  }

  #isSampled(rpc: string): boolean {
    if (rpc !== this.#sampled.rpc) return true;
    this.#sampledCalls += 1;
    return this.#sampledCalls % this.#sampled.oneIn === 0;
  }

  readonly #update = (): void => {
    this.#logsEveryCall = this.#log.isLevelEnabled("debug");
    const { database, overload } = this.#outages;
    this.observesSuccess = this.#logsEveryCall || database.active || overload.active;
  };
}

function levelOf(code: string, unexpected: unknown): Level {
  if (DEFECTS.includes(code) || unexpected !== undefined) return "error";
  return WARNINGS.includes(code) ? "warn" : "info";
}

function withError(fields: CallFields, unexpected: unknown): object {
  return unexpected === undefined ? fields : { ...fields, err: unexpected };
}
