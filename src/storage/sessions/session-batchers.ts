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
 * Statements of one kind under way: one, and another where that one is slow. With two from the
 * start, batches of 64 callers are smaller, and a read costs 32 µs in this process and 18 in
 * PostgreSQL instead of 26 and 14. With a statement for each call it cost 230 and 150.
 */
const MAX_IN_FLIGHT = 2;
const MAX_DELAY_MS = 10;
/** More in one statement saves nothing: a read costs PostgreSQL 10 µs in one of 64, 9 in this. */
const MAX_BATCH = 256;

/** Of batchers that hand over to the one for calls that are served alone. */
const KINDS = 5;

/** The calls that come often, each kind collected into statements of its own. */
export class SessionBatchers {
  readonly findByCookie: Batcher<CookieIds, CookieLookup>;
  readonly find: Batcher<SessionId, SessionSnapshot | undefined>;
  readonly create: Batcher<Create, CreateOutcome>;
  readonly touch: Batcher<Touch, SessionSnapshot | undefined>;
  readonly revoke: Batcher<Revoke, SessionSnapshot | undefined>;
  readonly #limits: BatcherLimits;
  /** Of all kinds, those that could not be served together with others. */
  readonly #alone: Batcher<(signal: Signal) => Promise<unknown>, unknown>;

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
    this.#alone = new Batcher({
      limits: {
        // What waits for locked rows must leave connections to the others.
        maxInFlight: Math.max(1, poolSize - maxInFlight),
        maxDelayMs: 0,
        maxBatch: 1,
        // They have been let in before: a batch that fails finds room for all its items.
        queueLimit: queueLimit + KINDS * maxInFlight * MAX_BATCH,
        queueTimeoutMs,
      },
      execute: (close, signal) => Promise.all(close().map((serve) => serve(signal))),
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

  /** `changed` names the session that an item changes: no statement changes one twice. */
  #batcher<Item, Result>(
    batch: Execute<Item, Result>,
    one: Execute<Item, Result> = batch,
    changed?: (item: Item) => string | undefined,
  ): Batcher<Item, Result> {
    const serve = async (item: Item, signal: Signal) => {
      const results = await this.#alone.add((own) => one(() => [item], own), signal);
      const [result] = results as readonly [Exclude<Result, typeof RETRY_ALONE>];
      return result;
    };
    // Such a failure is the statement's own, and the server has rolled it back. What an outage has
    // left behind is not known.
    const isolates = (error: unknown) => error instanceof StorageFault;
    return new Batcher({
      limits: this.#limits,
      execute: batch,
      alone: { serve, isolates },
      ...(changed && { keyOf: changed }),
    });
  }
}
