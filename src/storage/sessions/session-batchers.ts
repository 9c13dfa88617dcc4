import type { CallContext } from "../../session/call-context.ts";
import type { SessionId } from "../../session/ids.ts";
import type { CookieLookup, CreateOutcome, SessionSnapshot } from "../../session/session-store.ts";
import { batchLimits } from "../pg/batch-limits.ts";
import { Batcher, type Execute, type RETRY_ALONE } from "../pg/batcher.ts";
import { BATCHES, type ConnectionUse } from "../pg/connection-permits.ts";
import type { Database, Query } from "../pg/database.ts";
import { StorageFault } from "../pg/errors.ts";
import { sessionKey } from "./change-keys.ts";
import { type Create, createSessions } from "./create-sessions.ts";
import { type CookieIds, findByCookies, findSessions } from "./find-sessions.ts";
import { type Revoke, revokeSessions } from "./revoke-sessions.ts";
import { type CsrfChange, rotateCsrfOfSessions } from "./rotate-csrf-of-sessions.ts";
import { findSuccessors, type SuccessorOf } from "./rotate-session.ts";
import { type Locking, SKIP_LOCKED, WAIT_FOR_LOCKED } from "./session-conditions.ts";
import { type Touch, touchSessions } from "./touch-sessions.ts";

/** A statement for a batch of changes, once for batches and once for single items that wait. */
type Change<Item, Result> = (locking: Locking) => (query: Query) => Execute<Item, Result>;

/** Adds an item to the next batch. */
type Add<Item, Result> = (item: Item, context: CallContext) => Promise<Result>;

/** The batchers for the frequent calls, one for each kind of call. */
export class SessionBatchers {
  readonly findByCookie: Add<CookieIds, CookieLookup>;
  readonly find: Add<SessionId, SessionSnapshot | undefined>;
  readonly findSuccessor: Add<SuccessorOf, SessionSnapshot | undefined>;
  readonly create: Add<Create, CreateOutcome>;
  readonly touch: Add<Touch, SessionSnapshot | undefined>;
  readonly revoke: Add<Revoke, SessionSnapshot | undefined>;
  readonly rotateCsrf: Add<CsrfChange, SessionSnapshot | undefined>;
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    const use: ConnectionUse = { bulkhead: "reads", clientKey: BATCHES };
    const query: Query = (statement, values, signal) =>
      database.query(statement, values, signal, use);
    this.findByCookie = this.#reads(
      "find_by_cookie",
      findByCookies((read, signal) => database.read(read, signal, use)),
    );
    this.find = this.#reads("find_session", findSessions(query));
    this.findSuccessor = this.#reads("find_successor", findSuccessors(query));
    this.create = this.#changes("create_session", createSessions, ({ replaces }) => replaces);
    this.touch = this.#changes("touch_session", touchSessions, ({ session }) => session.id, {
      mergesItems: true,
    });
    this.revoke = this.#changes("revoke_session", revokeSessions, ({ id }) => id);
    this.rotateCsrf = this.#changes("rotate_csrf", rotateCsrfOfSessions, ({ id }) => id);
  }

  #reads<Item, Result>(name: string, execute: Execute<Item, Result>): Add<Item, Result> {
    return this.#adding(
      new Batcher({
        name,
        onBatch: this.#database.options.onBatch,
        limits: batchLimits(this.#database.options, "reads"),
        tracer: this.#database.options.tracer,
        execute,
        retryAlone: {
          execute: async (item, signal) => only(await execute(() => [item], signal)),
          isRetryable,
        },
      }),
    );
  }

  /**
   * @param name what is told of its batches
   * @param idOf the session that an item changes; one statement must not change a session twice
   * @param mergesItems whether the statement makes one change of several items for a session. Else they
   * are in different batches.
   */
  #changes<Item, Result>(
    name: string,
    change: Change<Item, Result>,
    idOf: (item: Item) => SessionId | undefined,
    { mergesItems = false } = {},
  ): Add<Item, Result> {
    const executeBatch = change(SKIP_LOCKED);
    const executeOne = change(WAIT_FOR_LOCKED);
    return this.#adding(
      new Batcher({
        name,
        onBatch: this.#database.options.onBatch,
        limits: batchLimits(this.#database.options, "changes"),
        tracer: this.#database.options.tracer,
        execute: executeBatch((statement, values, signal) =>
          this.#database.query(statement, values, signal, {
            bulkhead: "writes",
            clientKey: BATCHES,
          }),
        ),
        retryAlone: {
          execute: async (item, signal, clientKey) => {
            const id = idOf(item);
            const key = id && sessionKey(id);
            const query: Query = (statement, values, own) =>
              this.#database.lockingTransaction(
                { signal: own, clientKey },
                key,
                (run) => run(statement, values),
                "retries",
              );
            return only(await executeOne(query)(() => [item], signal));
          },
          isRetryable,
        },
        ...(!mergesItems && { keyOf: idOf }),
      }),
    );
  }

  #adding<Item, Result>(batcher: Batcher<Item, Result>): Add<Item, Result> {
    this.#database.track(batcher);
    return (item, context) =>
      batcher.add(item, context.cancellation ?? context.signal, context.clientKey);
  }
}

/** A statement for one item locks its row, so it never asks for a retry. */
function only<Result>(results: readonly (Result | typeof RETRY_ALONE)[]): Result {
  const [result] = results as readonly [Exclude<Result, typeof RETRY_ALONE>];
  return result;
}

/**
 * After a StorageFault, the server has rolled the statement back. After an outage, it is not known
 * whether the statement was committed.
 */
function isRetryable(error: unknown): boolean {
  return error instanceof StorageFault;
}
