import type { Caller } from "./caller.ts";

/**
 * How much of the header a look-up hashes. It is the part of a JWT that differs most, the signature, and
 * most of an opaque token; hashing all of a JWT would cost more than everything else here.
 */
const KEY_LENGTH = 48;

interface Entry {
  readonly authorization: string;
  readonly caller: Caller;
  readonly expiresAt: number;
  /** Since it was last considered for removal. */
  isUsed: boolean;
}

/**
 * The callers of accepted Authorization headers, by the end of the header. A look-up compares text only
 * if its string hash is the same, and its seed is random for each process; the whole header is compared
 * with one that ends in the same way. So how long it takes says nothing to somebody who has no token.
 * Only accepted headers belong here, so nobody else can fill it.
 *
 * When it is full, it forgets what was not used for long, by the second-chance algorithm: about the
 * least recently used, without the cost of an order that each use changes.
 */
export class CallerCache {
  readonly #maxEntries: number;
  readonly #entries = new Map<string, Entry>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** @param now the clock of `expiresAt` */
  get(authorization: string, now: number): Caller | undefined {
    const entry = this.#entries.get(authorization.slice(-KEY_LENGTH));
    if (entry?.authorization !== authorization || now >= entry.expiresAt) return undefined;
    entry.isUsed = true;
    return entry.caller;
  }

  set(authorization: string, caller: Caller, expiresAt: number): void {
    const key = authorization.slice(-KEY_LENGTH);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#maxEntries) this.#forgetOne();
    this.#entries.set(key, { authorization, caller, expiresAt, isUsed: false });
  }

  clear(): void {
    this.#entries.clear();
  }

  #forgetOne(): void {
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key);
      if (!entry.isUsed) return;
      entry.isUsed = false;
      this.#entries.set(key, entry);
    }
  }
}
