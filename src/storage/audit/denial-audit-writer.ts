import type { AuditEntry, DenialAudit } from "../../session/audit.ts";
import type { AuditStore } from "../../session/audit-store.ts";

const BATCH_SIZE = 500;
const WRITE_TIMEOUT_MS = 5000;

export interface DenialAuditOptions {
  /** Entries that may wait; more are dropped and counted. */
  readonly queueLimit: number;
  /** Told of entries that were lost, and why: a full queue has no error. */
  readonly onLoss: (count: number, error: unknown) => void;
}

/** Writes the audit of refusals in the background, in batches, one at a time. */
export class DenialAuditWriter implements DenialAudit {
  readonly #store: AuditStore;
  readonly #options: DenialAuditOptions;
  #queue: AuditEntry[] = [];
  #writing: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #dropped = 0;
  /** Dropped because the queue was full, and not told of yet. */
  #untold = 0;

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
      // Told with the next batch: telling now would slow the refusal.
      this.#dropped += 1;
      this.#untold += 1;
      return;
    }
    this.#queue.push(entry);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything that was recorded before has been written or lost. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Flushes, but not for longer than `graceMs`: what is not written by then is lost. */
  async close(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), graceMs);
    await this.#writing;
    clearTimeout(timer);
  }

  async #writeAll(): Promise<void> {
    // What is refused in the same turn of the event loop goes into the same batch.
    await new Promise(setImmediate);
    const closing = this.#closing.signal;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, closing.aborted ? this.#queue.length : BATCH_SIZE);
      const signal = AbortSignal.any([closing, AbortSignal.timeout(WRITE_TIMEOUT_MS)]);
      try {
        await this.#store.append(batch, { signal, callingService: "" });
      } catch (error) {
        this.#dropped += batch.length;
        this.#options.onLoss(batch.length, error);
      }
      if (this.#untold > 0) {
        this.#options.onLoss(this.#untold, undefined);
        this.#untold = 0;
      }
    }
    this.#writing = undefined;
  }
}
