import { SessionError } from "../../session/errors.ts";

type Signal = AbortSignal | undefined;

/** In a member's place among the results: it could not be served with the others, but may alone. */
export const ALONE = Symbol("alone");

/**
 * Runs one statement for all members of a batch and resolves with a result for each, in their
 * order. It calls `seal` in the very moment in which the statement is sent, and not at all if none
 * is: until then members may join and leave. Never throws before it returns its promise.
 */
export type Execute<Member, Result> = (
  seal: () => readonly Member[],
  signal: Signal,
) => Promise<readonly (Result | typeof ALONE)[]>;

export interface CollectorLimits {
  /** Batches that may be under way at a time. */
  readonly maxInFlight: number;
  /**
   * How long those that wait do so for what is under way before another batch is started for them:
   * larger batches cost less, but a slow one must not hold up all. 0: not at all.
   */
  readonly patienceMs: number;
  readonly maxBatch: number;
  /** Members that may wait for a batch; one more is refused with OVERLOADED. */
  readonly queueLimit: number;
  /** A member that has waited this long is refused with OVERLOADED. */
  readonly queueTimeoutMs: number;
}

export interface CollectorOptions<Member, Result> {
  readonly limits: CollectorLimits;
  readonly execute: Execute<Member, Result>;
  readonly alone?: {
    /** Serves a member that could not be served with the others. */
    serve(member: Member, signal: Signal): Promise<Result>;
    /**
     * Whether a batch's failure may be one member's fault and certainly changed nothing: then all
     * its members are served alone.
     */
    isolates(error: unknown): boolean;
  };
  /** Members of one key never share a batch; those without one always may. */
  readonly keyOf?: (member: Member) => string | undefined;
}

/**
 * Collects calls that come while others are under way, so that one statement serves them all. The
 * first one goes at once; nobody ever waits for company.
 *
 * A member joins a batch only before its statement has been sent: no answer comes from a statement
 * that began before the call did. A caller that goes is told its signal's reason at once and leaves
 * the others unharmed; when all of a batch have gone, its own signal fires.
 */
export class Collector<Member, Result> {
  readonly #options: CollectorOptions<Member, Result>;
  /** A set, since callers leave from anywhere in the queue. Empty if no batch is under way. */
  readonly #queue = new Set<Ticket<Member, Result>>();
  /** The batch that may still be joined. */
  #open: Batch<Member, Result> | undefined;
  #inFlight = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CollectorOptions<Member, Result>) {
    this.#options = options;
  }

  add(member: Member, signal: Signal): Promise<Result> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { limits, keyOf } = this.#options;
    const ticket = new Ticket<Member, Result>(member, keyOf?.(member), signal, this.#onGone);
    if (this.#open?.accepts(ticket)) {
      this.#open.join(ticket);
    } else if (this.#mayStart(0)) {
      this.#start([ticket]);
    } else if (this.#queue.size < limits.queueLimit) {
      ticket.queuedAt = performance.now();
      this.#queue.add(ticket);
      this.#watch();
    } else if (this.#inFlight < limits.maxInFlight) {
      // Those who have waited go first, and leave room in the queue for this one if they fill a batch.
      ticket.queuedAt = performance.now();
      this.#queue.add(ticket);
      this.#start(this.#queue);
      this.#watch();
    } else {
      ticket.reject(new SessionError("OVERLOADED"));
    }
    return ticket.outcome;
  }

  /** Whether somebody who has waited that long may have a batch of their own. */
  #mayStart(waitedMs: number): boolean {
    const { maxInFlight, patienceMs } = this.#options.limits;
    return this.#inFlight === 0 || (this.#inFlight < maxInFlight && waitedMs >= patienceMs);
  }

  #startQueued(): void {
    const [oldest] = this.#queue;
    if (oldest === undefined) return;
    if (this.#mayStart(performance.now() - oldest.queuedAt)) this.#start(this.#queue);
  }

  #start(tickets: Iterable<Ticket<Member, Result>>): void {
    const batch = new Batch<Member, Result>(this.#options.limits.maxBatch);
    for (const ticket of tickets) {
      if (batch.isFull) break;
      if (!batch.accepts(ticket)) continue;
      this.#queue.delete(ticket);
      batch.join(ticket);
    }
    this.#inFlight += 1;
    this.#open = batch;
    const seal = () => {
      this.#close(batch);
      return batch.seal();
    };
    this.#options.execute(seal, batch.signal).then(
      (results) => {
        this.#next(batch);
        this.#deliver(batch, results);
      },
      (error: unknown) => {
        this.#next(batch);
        this.#fail(batch, error);
      },
    );
  }

  #close(batch: Batch<Member, Result>): void {
    if (this.#open === batch) this.#open = undefined;
  }

  #next(ended: Batch<Member, Result>): void {
    this.#close(ended);
    this.#inFlight -= 1;
    this.#startQueued();
  }

  #deliver(batch: Batch<Member, Result>, results: readonly (Result | typeof ALONE)[]): void {
    for (const [index, ticket] of batch.tickets.entries()) {
      const result = results[index] as Result | typeof ALONE;
      if (result === ALONE) this.#serveAlone(ticket);
      else ticket.resolve(result);
    }
  }

  #fail(batch: Batch<Member, Result>, error: unknown): void {
    const isAlone = batch.tickets.length === 1;
    const isolates = !isAlone && this.#options.alone?.isolates(error);
    for (const ticket of batch.tickets) {
      if (isolates) this.#serveAlone(ticket);
      else ticket.reject(error);
    }
  }

  #serveAlone(ticket: Ticket<Member, Result>): void {
    const { alone } = this.#options;
    if (ticket.isSettled || alone === undefined) return;
    ticket.resolve(alone.serve(ticket.member, ticket.signal));
  }

  readonly #onGone = (ticket: Ticket<Member, Result>): void => {
    const { batch } = ticket;
    if (batch === undefined) this.#queue.delete(ticket);
    // Nobody may join a batch that has been given up.
    else if (batch.leave(ticket)) this.#close(batch);
  };

  /** One timer for all, while there is a queue. */
  #watch(): void {
    const [oldest] = this.#queue;
    if (this.#timer !== undefined || oldest === undefined) return;
    const { patienceMs, queueTimeoutMs } = this.#options.limits;
    const left = oldest.queuedAt + queueTimeoutMs - performance.now();
    const delay = patienceMs === 0 ? left : Math.min(left, patienceMs);
    this.#timer = setTimeout(this.#review, delay).unref();
  }

  /** The queue is in the order in which its members came. */
  readonly #review = (): void => {
    this.#timer = undefined;
    const tooEarly = performance.now() - this.#options.limits.queueTimeoutMs;
    for (const ticket of this.#queue) {
      if (ticket.queuedAt > tooEarly) break;
      this.#queue.delete(ticket);
      ticket.reject(new SessionError("OVERLOADED"));
    }
    this.#startQueued();
    this.#watch();
  };
}

/** A member's place: in the queue, then in a batch. It is also the listener of its own signal. */
class Ticket<Member, Result> {
  readonly member: Member;
  readonly key: string | undefined;
  readonly signal: Signal;
  readonly outcome: Promise<Result>;
  batch: Batch<Member, Result> | undefined;
  queuedAt = 0;
  isSettled = false;
  readonly #onGone: (ticket: Ticket<Member, Result>) => void;
  #resolve!: (result: Result | Promise<Result>) => void;
  #reject!: (error: unknown) => void;

  constructor(
    member: Member,
    key: string | undefined,
    signal: Signal,
    onGone: (ticket: Ticket<Member, Result>) => void,
  ) {
    this.member = member;
    this.key = key;
    this.signal = signal;
    this.#onGone = onGone;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener("abort", this);
  }

  resolve(result: Result | Promise<Result>): void {
    this.#settle();
    this.#resolve(result);
  }

  reject(error: unknown): void {
    this.#settle();
    this.#reject(error);
  }

  handleEvent(): void {
    this.reject(this.signal?.reason);
    this.#onGone(this);
  }

  #settle(): void {
    this.isSettled = true;
    this.signal?.removeEventListener("abort", this);
  }
}

class Batch<Member, Result> {
  /** Those that have gone before the statement was sent are not among them any more. */
  tickets: Ticket<Member, Result>[] = [];
  readonly #maxBatch: number;
  readonly #keys = new Set<string>();
  readonly #abort = new AbortController();
  #present = 0;
  #members: readonly Member[] | undefined;

  constructor(maxBatch: number) {
    this.#maxBatch = maxBatch;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isFull(): boolean {
    return this.tickets.length >= this.#maxBatch;
  }

  accepts({ key }: Ticket<Member, Result>): boolean {
    return !this.isFull && (key === undefined || !this.#keys.has(key));
  }

  join(ticket: Ticket<Member, Result>): void {
    ticket.batch = this;
    this.tickets.push(ticket);
    this.#present += 1;
    if (ticket.key !== undefined) this.#keys.add(ticket.key);
  }

  /** Returns whether that was the last one. */
  leave(ticket: Ticket<Member, Result>): boolean {
    this.#present -= 1;
    if (this.#present > 0) return false;
    this.#abort.abort(ticket.signal?.reason);
    return true;
  }

  /** The members of the statement; the same ones when it has to be sent again. */
  seal(): readonly Member[] {
    if (this.#members === undefined) {
      this.tickets = this.tickets.filter(({ isSettled }) => !isSettled);
      this.#members = this.tickets.map(({ member }) => member);
    }
    return this.#members;
  }
}
