import { setTimeout as delay } from "node:timers/promises";

/** One of the hosts that the database's URL names. */
export interface DatabaseHost {
  readonly url: string;
  /** Without user and password. */
  readonly address: string;
}

export interface PrimaryLocatorOptions {
  /**
   * Asks a host for its timeline, of which each promotion begins a new one. Rejects if the host accepts no
   * writes or does not answer in time.
   */
  readonly probe: (host: DatabaseHost) => Promise<number>;
  readonly onMove: (from: DatabaseHost, to: DatabaseHost) => void;
  /** The minimum time between two rounds of probes. 250 ms by default. */
  readonly intervalMs?: number;
  /** How long a round of a search lasts if no host has answered that it accepts writes. 1000 ms by default. */
  readonly roundMs?: number;
}

/** Why a host is not the primary. */
export class HostError extends Error {
  override readonly name = "HostError";
  readonly address: string;

  constructor({ address }: DatabaseHost, cause: unknown) {
    super(`${address} is not the primary`, { cause });
    this.address = address;
  }
}

/** Why the locator does not take a host for the primary, although it may be that later. */
export class HostNotUsable extends Error {
  override readonly name = "HostNotUsable";
}

const INTERVAL_MS = 250;
const ROUND_MS = 1000;
/** How long the other hosts are waited for when one has answered that it accepts writes. */
const OTHERS_MS = 250;

/** Finds out which of several hosts accepts writes. It never moves to an older timeline. */
export class PrimaryLocator {
  readonly hosts: readonly DatabaseHost[];
  readonly #options: PrimaryLocatorOptions;
  readonly #followers = new Set<() => void>();
  /** Those that have not been answered. */
  readonly #probes = new Map<DatabaseHost, Promise<number>>();
  #current: DatabaseHost;
  /** The newest timeline that was ever used. */
  #timeline = 0;
  #nextRoundAt = 0;
  #search: Promise<void> | undefined;
  #isClosed = false;

  /** @param hosts in the order of preference, for when several accept writes */
  constructor(hosts: readonly DatabaseHost[], options: PrimaryLocatorOptions) {
    this.hosts = hosts;
    this.#options = options;
    this.#current = hosts[0] as DatabaseHost;
  }

  /** The host that accepted writes when they were last asked; at first, the first one. */
  get current(): DatabaseHost {
    return this.#current;
  }

  /** Calls `leave` when another host becomes the current one. Returns what undoes this. */
  follow(leave: () => void): () => void {
    this.#followers.add(leave);
    return () => void this.#followers.delete(leave);
  }

  /**
   * Asks all hosts once, except that one whose last answer is still awaited is not asked again. Of those that accept writes, the current one is then the one on the newest
   * timeline: an older one has not noticed yet that another one was promoted. A host that answers later,
   * but is on a newer timeline than the current one, becomes the current one then.
   *
   * @param limitMs how long to wait for a host that accepts writes; without it, until all have answered
   * @throws {AggregateError} of a HostError for each host, if none accepts writes on the newest timeline
   * that was ever used, or a newer one
   */
  async locate(limitMs?: number): Promise<void> {
    this.#nextRoundAt = performance.now() + (this.#options.intervalMs ?? INTERVAL_MS);
    const timelines = new Map<DatabaseHost, number>();
    const errors = new Map<DatabaseHost, unknown>();
    const first = Promise.withResolvers<void>();
    let isOver = false;
    const ask = async (host: DatabaseHost) => {
      try {
        const timeline = await this.#probe(host);
        this.#checkTimeline(timeline);
        timelines.set(host, timeline);
        first.resolve();
        if (isOver && timeline > this.#timeline) this.#use(host, timeline);
      } catch (error) {
        errors.set(host, error);
      }
    };
    const all = Promise.all(this.hosts.map(ask));
    const limit = limitMs === undefined ? [] : [delay(limitMs, undefined, { ref: false })];
    await Promise.race([all, first.promise, ...limit]);
    if (timelines.size > 0) {
      await Promise.race([all, delay(OTHERS_MS, undefined, { ref: false })]);
    }
    isOver = true;
    const newest = Math.max(...timelines.values());
    const found = this.hosts.find((host) => timelines.get(host) === newest);
    if (found === undefined) {
      const silence = new HostNotUsable("it has not answered yet");
      const hostErrors = this.hosts.map((host) => new HostError(host, errors.get(host) ?? silence));
      throw new AggregateError(hostErrors);
    }
    this.#use(found, newest);
  }

  /** Asks all hosts again and again until one accepts writes. Does nothing if that is under way. */
  relocate(): void {
    this.#search ??= this.#untilLocated().finally(() => {
      this.#search = undefined;
    });
  }

  /** Ends the search. */
  close(): void {
    this.#isClosed = true;
  }

  async #untilLocated(): Promise<void> {
    while (!this.#isClosed) {
      const waitMs = Math.max(0, this.#nextRoundAt - performance.now());
      await delay(waitMs, undefined, { ref: false });
      if (this.#isClosed) return;
      const isFound = await this.locate(this.#options.roundMs ?? ROUND_MS).then(
        () => true,
        () => false,
      );
      if (isFound) return;
    }
  }

  /** Asks the host, unless an answer of it is still awaited: then returns that one. */
  #probe(host: DatabaseHost): Promise<number> {
    const pending = this.#probes.get(host);
    if (pending !== undefined) return pending;
    const probe = this.#options.probe(host).finally(() => this.#probes.delete(host));
    this.#probes.set(host, probe);
    return probe;
  }

  /** @throws {HostNotUsable} if a host on this timeline was replaced by one on a newer timeline */
  #checkTimeline(timeline: number): void {
    if (timeline >= this.#timeline) return;
    throw new HostNotUsable(
      `it accepts writes on timeline ${timeline}, and timeline ${this.#timeline} was used before; ` +
        "after a restore to an older timeline, restart sessiond",
    );
  }

  #use(host: DatabaseHost, timeline: number): void {
    const from = this.#current;
    if (this.#isClosed) return;
    this.#timeline = timeline;
    if (host === from) return;
    this.#current = host;
    this.#options.onMove(from, host);
    for (const leave of [...this.#followers]) leave();
  }
}
