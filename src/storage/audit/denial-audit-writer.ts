import type { AuditEntry, DenialAudit } from "../../session/audit.ts";
import type { AuditStore } from "../../session/audit-store.ts";
import type { StatementTracer } from "../pg/statement-tracer.ts";

const BATCH_SIZE = 500;
const WRITE_TIMEOUT_MS = 5000;

export interface DenialAuditOptions {
  /** The maximum number of queued entries. Further ones are dropped and counted. */
  readonly queueLimit: number;
  /** Called with the number of lost entries and the error. Without an error, the queue was full. */
  readonly onLoss: (count: number, error: unknown) => void;
  /** Learns that no call waits for what is written. */
  readonly tracer?: StatementTracer | undefined;
}

/** Writes the audit events of denials in the background, one batch at a time. */
export class DenialAuditWriter implements DenialAudit {
  readonly #store: AuditStore;
  readonly #options: DenialAuditOptions;
  #queue: AuditEntry[] = [];
  #writing: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #dropped = 0;
  /** Dropped because the queue was full, and not reported to `onLoss` yet. */
  #unreported = 0;

  constructor(store: AuditStore, options: DenialAuditOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** How many entries have been lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  record(entry: AuditEntry): void {
    if (this.#queue.length >= this.#options.queueLimit) {
      // Reported after the next batch: to report it now would make the denial slower.
      this.#dropped += 1;
      this.#unreported += 1;
      return;
    }
    this.#queue.push(entry);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all entries that were recorded before have been written or lost. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Flushes for at most `graceMs` milliseconds. Entries that are not written by then are lost. */
  async close(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), graceMs);
    await this.#writing;
    clearTimeout(timer);
  }

  async #writeAll(): Promise<void> {
    // Denials of the same event loop iteration go into the same batch.
    await new Promise(setImmediate);
    const closing = this.#closing.signal;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, closing.aborted ? this.#queue.length : BATCH_SIZE);
      const signal = AbortSignal.any([closing, AbortSignal.timeout(WRITE_TIMEOUT_MS)]);
      try {
        await this.#append(batch, signal);
      } catch (error) {
        this.#dropped += batch.length;
        this.#options.onLoss(batch.length, error);
      }
      if (this.#unreported > 0) {
        this.#options.onLoss(this.#unreported, undefined);
        this.#unreported = 0;
      }
    }
    this.#writing = undefined;
  }

  #append(batch: readonly AuditEntry[], signal: AbortSignal): Promise<void> {
    const { tracer } = this.#options;
    const append = () => this.#store.append(batch, { signal, callingService: "" });
    return tracer === undefined ? append() : tracer.inBatch(() => [], append);
  }
}
