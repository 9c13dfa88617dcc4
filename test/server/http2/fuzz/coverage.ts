import { Session } from "node:inspector";

const ENGINE = "/src/server/http2/";

interface Ranges {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly {
        readonly startOffset: number;
        readonly endOffset: number;
        readonly count: number;
      }[];
    }[];
  }[];
}

/**
 * Whether Node writes what has run of this process, as in a run of all tests. V8 has one count for the
 * process: to take it would take it away from that, for all files of the process.
 */
const isMeasured = process.env.NODE_V8_COVERAGE !== undefined;

/**
 * Tells which parts of the engine have run, as V8 counts them, and how often within a power of four. While
 * Node measures the process itself, it tells of none.
 */
export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    if (isMeasured) return;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** How many parts have been seen so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Returns how many parts are new in what has run since the last call. */
  take(): number {
    if (isMeasured) return 0;
    const before = this.#seen.size;
    this.#session.post("Profiler.takePreciseCoverage", (_, coverage) => {
      for (const { url, functions } of (coverage as Ranges).result) {
        if (!url.includes(ENGINE)) continue;
        for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
          if (count === 0) continue;
          this.#seen.add(`${url}:${startOffset}-${endOffset}:${Math.floor(Math.log2(count) / 2)}`);
        }
      }
    });
    return this.#seen.size - before;
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }
}
