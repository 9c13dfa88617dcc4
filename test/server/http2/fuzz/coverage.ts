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

/** Tells which parts of the engine have run, as V8 counts them, and how often within a power of four. */
export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
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
