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
export type OutageKind = "database" | "overload" | "keys";

export interface FailedCall {
  readonly fields: CallFields;
  /** The error to log with its stack and causes: for defects, and for what caused an outage. */
  readonly unexpected?: unknown;
  readonly outage?: OutageKind | undefined;
  /** The limit of its caller that it is above. The number of limits must be bounded. */
  readonly callerLimit?: string | undefined;
  /** Whether it was denied without an audit event. */
  readonly unaudited?: boolean | undefined;
}

/** How many lines of failed calls are logged in a second for each code and reason. */
const LINES_PER_SECOND = 10;
/** How often calls are reported that were only counted. */
const SUMMARY_INTERVAL_MS = 60_000;
/** How many callers above their limits the summary names. */
const MAX_NAMED_CALLERS = 20;
/** How long no call must fail for lack of keys before that outage is over. */
const KEYS_QUIET_MS = 30_000;

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
  keys: {
    begin: "the keys that verify JWTs are not available: calls fail",
    report: "the keys that verify JWTs are still not available: calls fail",
    end: (seconds: number, failed: number) =>
      `calls no longer fail for lack of JWT keys after ${seconds} s, ${failed} calls failed`,
  },
} as const satisfies Record<OutageKind, object>;

export interface CallLogOptions {
  /** Returns milliseconds and never goes back. */
  readonly clock: () => number;
  /** Of the successful calls of these RPCs, one in `oneIn` is logged. */
  readonly sampled: { readonly rpcs: readonly string[]; readonly oneIn: number };
}

/**
 * Logs calls: each one at level debug, and above that those that failed. However many
 * fail, only a limited number of these lines is written: what belongs to an outage is combined, and of
 * everything else there are ten lines a second for each code and reason; of callers above their own
 * limits, one a minute for each. The rest is counted, and told once a minute.
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
  readonly #outages = { database: new Outage(), overload: new Outage(), keys: new Outage() };
  /** Calls that were not logged, by RPC, code and reason. */
  readonly #notLogged = new Map<string, { call: object; count: number }>();
  /** Calls above a limit of their caller, by both. The callers file bounds the number of callers. */
  readonly #aboveLimit = new Map<string, { caller?: string; limit: string; count: number }>();
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
    if (call.callerLimit !== undefined) this.#callerAboveLimit(call.fields, call.callerLimit);
    else if (call.outage !== undefined) this.#outageContinues(call, call.outage);
    else this.#failed(call);
  }

  /** A call succeeded. If that shows that the database answers, outages end. */
  callSucceeded(fields: CallFields, { provesDatabase }: { provesDatabase: boolean }): void {
    if (this.#logsEveryCall && this.#isSampled(fields.rpc)) this.#log.debug(fields, "call");
    if (!provesDatabase) return;
    const now = this.#clock();
    for (const kind of ["database", "overload"] as const) {
      this.#outageEnded(kind, this.#outages[kind].callSucceeded(now));
    }
  }

  /** Writes the reports that are due. To be called about once a second. */
  tick(): void {
    const now = this.#clock();
    for (const kind of ["database", "overload", "keys"] as const) {
      const report = this.#outages[kind].report(now);
      if (report !== undefined) this.#reportOutage(kind, report);
    }
    // A success says nothing of the keys: most calls do without them.
    this.#outageEnded("keys", this.#outages.keys.endIfQuiet(now, KEYS_QUIET_MS));
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
    if (this.#aboveLimit.size > 0) {
      const all = [...this.#aboveLimit.values()].sort((a, b) => b.count - a.count);
      this.#aboveLimit.clear();
      const callers = all.slice(0, MAX_NAMED_CALLERS);
      const others = all.length - callers.length || undefined;
      this.#log.warn({ callers, others }, "calls refused: their callers are above their limits");
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

  #outageEnded(kind: OutageKind, report: OutageReport | undefined): void {
    if (report === undefined) return;
    this.#log.warn(report, outageMessages[kind].end(report.seconds, report.failed));
    this.#update();
  }

  #reportOutage(kind: OutageKind, report: OutageReport): void {
    this.#log.error(report, outageMessages[kind].report);
  }

  /** The others are served, so this is no outage. One line a minute for each caller and limit. */
  #callerAboveLimit(fields: CallFields, limit: string): void {
    const { caller } = fields;
    const key = `${limit} ${caller}`;
    const counted = this.#aboveLimit.get(key);
    if (counted !== undefined) {
      counted.count += 1;
      this.#log.debug({ ...fields, limit }, "call failed");
      return;
    }
    this.#aboveLimit.set(key, { ...(caller !== undefined && { caller }), limit, count: 1 });
    if (this.#limit.allows("above limit", this.#clock())) {
      this.#log.warn({ ...fields, limit }, "call refused: the caller is above its limit");
    }
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
    if (!this.#sampled.rpcs.includes(rpc)) return true;
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
