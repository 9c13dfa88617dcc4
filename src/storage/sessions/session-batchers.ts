import type { SessionId } from "../../session/ids.ts";
import type { CookieLookup, CreateOutcome, SessionSnapshot } from "../../session/session-store.ts";
import { Batcher, type BatcherLimits, type Execute, type RETRY_ALONE } from "../pg/batcher.ts";
import type { Database } from "../pg/database.ts";
import { StorageFault } from "../pg/errors.ts";
import { type Create, createSessions } from "./create-sessions.ts";
import { type CookieIds, findByCookies, findSessions } from "./find-sessions.ts";
import { type Revoke, revokeSessions } from "./revoke-sessions.ts";
import { SKIP_LOCKED, WAIT_FOR_LOCKED } from "./session-conditions.ts";
import { type Touch, touchSessions } from "./touch-sessions.ts";

type Signal = AbortSignal | undefined;

/**
 * The maximum number of batches in flight for one kind of call. The second one starts only if the
 * first is slower than MAX_DELAY_MS. If both started at once, batches would be smaller: with 64
 * callers, a read would cost 32 µs in this process and 18 µs in PostgreSQL instead of 26 and 14.
 * Without batches, a read costs 230 and 150 µs.
 */
const MAX_IN_FLIGHT = 2;
const MAX_DELAY_MS = 10;
/** Larger batches save nothing: a read costs PostgreSQL 10 µs in a batch of 64, and 9 µs in this. */
const MAX_BATCH = 256;

/** The number of batchers that pass items to the retry batcher. */
const BATCHER_COUNT = 5;

/** The batchers for the frequent calls, one for each kind of call. */
export class SessionBatchers {
  readonly findByCookie: Batcher<CookieIds, CookieLookup>;
  readonly find: Batcher<SessionId, SessionSnapshot | undefined>;
  readonly create: Batcher<Create, CreateOutcome>;
  readonly touch: Batcher<Touch, SessionSnapshot | undefined>;
  readonly revoke: Batcher<Revoke, SessionSnapshot | undefined>;
  readonly #limits: BatcherLimits;
  /** Retries single items of all kinds that failed as part of their batch. */
  readonly #retries: Batcher<(signal: Signal) => Promise<unknown>, unknown>;

  constructor(database: Database) {
    const { queueLimit, queueTimeoutMs, poolSize } = database.options;
    const maxInFlight = MAX_IN_FLIGHT;
    this.#limits = {
      maxInFlight,
      maxDelayMs: MAX_DELAY_MS,
      maxBatch: MAX_BATCH,
      queueLimit,
      queueTimeoutMs,
    };
    this.#retries = new Batcher({
      limits: {
        // Retries may wait for locked rows. They must leave connections for the batches.
        maxInFlight: Math.max(1, poolSize - maxInFlight),
        maxDelayMs: 0,
        maxBatch: 1,
        // The items have already been accepted: there is room for all items of failed batches.
        queueLimit: queueLimit + BATCHER_COUNT * maxInFlight * MAX_BATCH,
        queueTimeoutMs,
      },
      execute: (close, signal) => Promise.all(close().map((retry) => retry(signal))),
    });

    this.findByCookie = this.#batcher(findByCookies(database));
    this.find = this.#batcher(findSessions(database));
    this.create = this.#batcher(
      createSessions(database, SKIP_LOCKED),
      createSessions(database, WAIT_FOR_LOCKED),
      ({ replaces }) => replaces,
    );
    this.touch = this.#batcher(
      touchSessions(database, SKIP_LOCKED),
      touchSessions(database, WAIT_FOR_LOCKED),
      ({ id }) => id,
    );
    this.revoke = this.#batcher(
      revokeSessions(database, SKIP_LOCKED),
      revokeSessions(database, WAIT_FOR_LOCKED),
      ({ id }) => id,
    );
  }

  /**
   * @param executeBatch skips locked rows, if it changes sessions
   * @param executeOne waits for locked rows
   * @param keyOf the session that an item changes; one statement must not change a session twice
   */
  #batcher<Item, Result>(
    executeBatch: Execute<Item, Result>,
    executeOne: Execute<Item, Result> = executeBatch,
    keyOf?: (item: Item) => string | undefined,
  ): Batcher<Item, Result> {
    const execute = async (item: Item, signal: Signal) => {
      const results = await this.#retries.add((own) => executeOne(() => [item], own), signal);
      const [result] = results as readonly [Exclude<Result, typeof RETRY_ALONE>];
      return result;
    };
    // After a StorageFault, the server has rolled the statement back. After an outage, it is not known
    // whether the statement was committed.
    const isRetryable = (error: unknown) => error instanceof StorageFault;
    return new Batcher({
      limits: this.#limits,
      execute: executeBatch,
      retryAlone: { execute, isRetryable },
      ...(keyOf && { keyOf }),
    });
  }
}
