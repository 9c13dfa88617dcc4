import type { SessionId } from "../../session/ids.ts";
import type { CookieRead, CreateOutcome, Read } from "../../session/session-store.ts";
import { type ALONE, Collector, type CollectorLimits, type Execute } from "../pg/batcher.ts";
import type { Database } from "../pg/database.ts";
import { StorageFault } from "../pg/errors.ts";
import { PASS_OVER_LOCKED, WAIT_FOR_LOCKED } from "../pg/sql.ts";
import { type Create, createSessions } from "./create-sessions.ts";
import { type CookieIds, findByCookies, findSessions } from "./find-sessions.ts";
import { type Revoke, revokeSessions } from "./revoke-sessions.ts";
import { type Touch, touchSessions } from "./touch-sessions.ts";

type Signal = AbortSignal | undefined;

/**
 * Statements of one kind under way: one, and another where that one is slow. With two from the
 * start, batches of 64 callers are smaller, and a read costs 32 µs in this process and 18 in
 * PostgreSQL instead of 26 and 14. With a statement for each call it cost 230 and 150.
 */
const MAX_IN_FLIGHT = 2;
const PATIENCE_MS = 10;
/** More in one statement saves nothing: a read costs PostgreSQL 10 µs in one of 64, 9 in this. */
const MAX_BATCH = 256;

/** Of collectors that hand over to the one for calls that are served alone. */
const KINDS = 5;

/** The calls that come often, each kind collected into statements of its own. */
export class SessionCollectors {
  readonly findByCookie: Collector<CookieIds, CookieRead>;
  readonly find: Collector<SessionId, Read | undefined>;
  readonly create: Collector<Create, CreateOutcome>;
  readonly touch: Collector<Touch, Read | undefined>;
  readonly revoke: Collector<Revoke, Read | undefined>;
  readonly #limits: CollectorLimits;
  /** Of all kinds, those that could not be served together with others. */
  readonly #alone: Collector<(signal: Signal) => Promise<unknown>, unknown>;

  constructor(database: Database) {
    const { queueLimit, queueTimeoutMs, poolSize } = database.options;
    const maxInFlight = MAX_IN_FLIGHT;
    this.#limits = {
      maxInFlight,
      patienceMs: PATIENCE_MS,
      maxBatch: MAX_BATCH,
      queueLimit,
      queueTimeoutMs,
    };
    this.#alone = new Collector({
      limits: {
        // What waits for locked rows must leave connections to the others.
        maxInFlight: Math.max(1, poolSize - maxInFlight),
        patienceMs: 0,
        maxBatch: 1,
        // They have been let in before: a batch that fails finds room for all its members.
        queueLimit: queueLimit + KINDS * maxInFlight * MAX_BATCH,
        queueTimeoutMs,
      },
      execute: (seal, signal) => Promise.all(seal().map((serve) => serve(signal))),
    });

    this.findByCookie = this.#collector(findByCookies(database));
    this.find = this.#collector(findSessions(database));
    this.create = this.#collector(
      createSessions(database, PASS_OVER_LOCKED),
      createSessions(database, WAIT_FOR_LOCKED),
      ({ replaces }) => replaces,
    );
    this.touch = this.#collector(
      touchSessions(database, PASS_OVER_LOCKED),
      touchSessions(database, WAIT_FOR_LOCKED),
      ({ id }) => id,
    );
    this.revoke = this.#collector(
      revokeSessions(database, PASS_OVER_LOCKED),
      revokeSessions(database, WAIT_FOR_LOCKED),
      ({ id }) => id,
    );
  }

  /** `changed` names the session that a member changes: no statement changes one twice. */
  #collector<Member, Result>(
    several: Execute<Member, Result>,
    one: Execute<Member, Result> = several,
    changed?: (member: Member) => string | undefined,
  ): Collector<Member, Result> {
    const serve = async (member: Member, signal: Signal) => {
      const results = await this.#alone.add((own) => one(() => [member], own), signal);
      const [result] = results as readonly [Exclude<Result, typeof ALONE>];
      return result;
    };
    // Such a failure is the statement's own, and the server has rolled it back. What an outage has
    // left behind is not known.
    const isolates = (error: unknown) => error instanceof StorageFault;
    return new Collector({
      limits: this.#limits,
      execute: several,
      alone: { serve, isolates },
      ...(changed && { keyOf: changed }),
    });
  }
}
