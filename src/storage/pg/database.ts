import type pg from "pg";
import type { DataSource, EntityManager, QueryRunner } from "typeorm";
import { SessionError } from "../../session/errors.ts";
import { BinaryQuery } from "./binary-query.ts";
import type { BinaryRow } from "./binary-row.ts";
import { type Bulkhead, ConnectionPermits, type ConnectionUse } from "./connection-permits.ts";
import { type DatabaseState, databaseState, type TrackedBatcher } from "./database-state.ts";
import {
  LOCK_NOT_AVAILABLE,
  StorageFault,
  suggestsFailover,
  translateDriverError,
} from "./errors.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import { boundedStatement, type Lease, leftInTransaction, type StatementBounds } from "./lease.ts";
import {
  PreparedStatements,
  type PreparedStatementsOptions,
  type Statement,
} from "./prepared-statements.ts";
import { probeServer } from "./probe-server.ts";
import { retried } from "./retried.ts";
import { rowTypes } from "./row-types.ts";
import { settledOrAborted } from "./settled-or-aborted.ts";
import { type StatementTracer, tracedStatement } from "./statement-tracer.ts";
import type { Caller } from "./waiter.ts";

export interface DatabaseOptions extends PreparedStatementsOptions {
  readonly poolSize: number;
  /**
   * The maximum number of calls that wait for a connection in each bulkhead. For each further one, a
   * call of the client that has the most of them fails with OVERLOADED.
   */
  readonly queueLimit: number;
  /**
   * How long a call may wait for a connection, and how long for the locks of other transactions. Then
   * it fails with OVERLOADED.
   */
  readonly queueTimeoutMs: number;
  /** A statement that runs for this long is cancelled. */
  readonly statementTimeoutMs: number;
  /** Called with the name of a batcher and the number of items of each statement that it sends. */
  readonly onBatch?: (name: string, size: number) => void;
  /** If a cancelled statement has not ended after this time, its connection is closed. 1000 by default. */
  readonly cancelGraceMs?: number;
  /** Traces statements. Without it, nobody asks. */
  readonly tracer?: StatementTracer | undefined;
  /** Called after an error that may mean that another server has become the primary. */
  readonly onSuspectedFailover?: (() => void) | undefined;
}

export type Row = Record<string, unknown>;

/** Chooses the statement for the values. */
type ChooseStatement = (values: readonly unknown[]) => Statement;

/** A statement's values. A function is called at the moment when the statement is sent. */
export type Values = readonly unknown[] | (() => readonly unknown[]);

/** Runs a statement of a transaction. */
export type Run = (
  statement: Statement | ChooseStatement,
  values: Values,
) => Promise<readonly Row[]>;

type Signal = AbortSignal | undefined;

/** Runs a statement for a batch of items. */
export type Query = (
  statement: Statement | ChooseStatement,
  values: Values,
  signal: Signal,
) => Promise<readonly Row[]>;

/** A statement whose rows are read in the binary format, with its values. */
export interface Read<T> {
  readonly statement: Statement;
  readonly values: readonly string[];
  /** Reads one row. */
  readonly row: (row: BinaryRow) => T;
}

/** Runs a read. The function is called at the moment when the statement is sent. */
export type RunRead = <T>(read: () => Read<T>, signal: Signal) => Promise<readonly T[]>;

const READS: ConnectionUse = { bulkhead: "reads" };
/**
 * How long a change waits for a lock before it goes to those who wait for locks. Most locks are held for
 * the time of a commit.
 */
const BRIEF_LOCK_WAIT_MS = 10;
const PROBE: Statement = { text: "SELECT 1" };

/**
 * Runs statements on PostgreSQL. It divides the connections between kinds of work (bulkheads) and
 * callers, limits the number of calls that wait for a connection and how long they wait, cancels
 * statements that take too long or whose call was cancelled, and translates errors. It sets no
 * timeouts on the server: they would belong to a database session, which PgBouncer shares between
 * clients. For the same reason, PgBouncer in transaction mode may lose prepared statements: when that
 * happens for the first time, the call is retried, and nothing is prepared from then on.
 *
 * All methods reject with a SessionError (OVERLOADED, STORAGE_UNAVAILABLE), a StorageFault, or the
 * reason of the signal.
 */
export class Database {
  readonly options: DatabaseOptions;
  readonly #dataSource: DataSource;
  readonly #pool: pg.Pool;
  readonly #permits: ConnectionPermits;
  readonly #mutex: KeyedMutex;
  readonly #prepared: PreparedStatements;
  readonly #batchers: TrackedBatcher[] = [];
  readonly #bounds: StatementBounds;
  #lastAnsweredAt = performance.now();

  constructor(dataSource: DataSource, options: DatabaseOptions) {
    this.options = options;
    this.#dataSource = dataSource;
    this.#permits = new ConnectionPermits(options);
    this.#mutex = new KeyedMutex(options);
    this.#prepared = new PreparedStatements(options);
    this.#bounds = {
      limits: options,
      onAnswer: () => {
        this.#lastAnsweredAt = performance.now();
      },
      translate: (error) => this.#translate(error),
    };
    // TypeORM types the driver as an interface without the pool.
    this.#pool = (dataSource.driver as unknown as { master: pg.Pool }).master;
    // A leased connection that breaks emits an error event, which would end the process if there were
    // no listener; its statement fails anyway. The listener is added on "acquire", not after the
    // lease has begun, because the connection may break immediately.
    this.#pool.on("acquire", (client) => client.off("error", ignore).on("error", ignore));
  }

  /** Runs one statement, which commits by itself. Retries it after a conflict of transactions. */
  async query(
    statement: Statement | ChooseStatement,
    values: Values,
    signal: Signal,
    use: ConnectionUse = READS,
  ): Promise<readonly Row[]> {
    return retried(() =>
      this.#withLease(
        () => this.#connect(),
        signal,
        (lease) => this.#run(lease, statement, values, signal),
        use,
      ),
    );
  }

  /**
   * Runs one statement, as `query` does, and reads its rows in the binary format.
   *
   * @param read called at the moment when the statement is sent
   */
  async read<T>(
    read: () => Read<T>,
    signal: Signal,
    use: ConnectionUse = READS,
  ): Promise<readonly T[]> {
    return retried(() =>
      this.#withLease(
        () => this.#connect(),
        signal,
        (lease) =>
          boundedStatement(lease, signal, this.#bounds, () => {
            const { statement, values, row } = read();
            const name = this.#prepared.nameOf(statement);
            const query = new BinaryQuery({ name, text: statement.text }, values, row);
            lease.client.query(query);
            const result = this.#traced(lease, statement, query.result);
            return name === undefined ? result : this.#prepared.noticeLoss(result);
          }),
        use,
      ),
    );
  }

  /**
   * Runs `work` in a READ COMMITTED transaction. Commits when it resolves, and rolls back when it
   * rejects. Retries it after a conflict of transactions, so `work` must have no other side effects.
   */
  async transaction<T>(
    signal: Signal,
    work: (run: Run) => Promise<T>,
    use: ConnectionUse = READS,
  ): Promise<T> {
    return retried(() => this.#transactionOnce(signal, work, use, BEGIN));
  }

  /**
   * As `transaction`, for work that locks what other transactions may have locked. Whoever meets a lock
   * that is held for longer than a commit takes gives its connection back and starts again among those
   * who wait for locks, who have few.
   *
   * @param key names what is locked: of the calls with the same key, one at a time runs. One that is
   * cancelled does not count any more, although its statement may take a moment to end. Undefined: the call
   * does not wait for others of this process.
   * @param first the bulkhead that it leaves for those who wait for locks
   * @throws {SessionError} OVERLOADED also if a lock was not released within the queue timeout
   */
  async lockingTransaction<T>(
    caller: Caller,
    key: string | undefined,
    work: (run: Run) => Promise<T>,
    first: "writes" | "retries" = "writes",
  ): Promise<T> {
    if (key === undefined) return this.#brieflyOrWaiting(caller, work, first);
    await this.#mutex.acquire(key, caller);
    try {
      return await this.#brieflyOrWaiting(caller, work, first);
    } finally {
      this.#mutex.release(key);
    }
  }

  async #brieflyOrWaiting<T>(
    { signal, clientKey }: Caller,
    work: (run: Run) => Promise<T>,
    first: Bulkhead,
  ): Promise<T> {
    const among = (bulkhead: Bulkhead, lockTimeoutMs: number) =>
      retried(() =>
        this.#transactionOnce(signal, work, { bulkhead, clientKey }, beginWith(lockTimeoutMs)),
      );
    try {
      return await among(first, BRIEF_LOCK_WAIT_MS);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
    }
    try {
      // Well before the statement would be cancelled, which would look like an outage.
      const { queueTimeoutMs, statementTimeoutMs } = this.options;
      const lockTimeoutMs = Math.min(queueTimeoutMs, Math.floor(statementTimeoutMs / 2));
      return await among("lock_waits", lockTimeoutMs);
    } catch (error) {
      throw isLockTimeout(error) ? new SessionError("OVERLOADED", { cause: error }) : error;
    }
  }

  /**
   * Runs queries that TypeORM builds, on one connection and outside a transaction.
   *
   * @param summary as a Statement has it
   */
  async withEntityManager<T>(
    signal: Signal,
    work: (manager: EntityManager) => Promise<T>,
    use: ConnectionUse = READS,
    summary: string | undefined = undefined,
  ): Promise<T> {
    let runner: QueryRunner;
    const connect = async (): Promise<Lease> => {
      runner = this.#dataSource.createQueryRunner();
      const client: pg.PoolClient = await runner.connect();
      const { releasePostgresConnection } = runner as unknown as {
        releasePostgresConnection(error?: Error): Promise<void>;
      };
      return { client, release: (error) => void releasePostgresConnection.call(runner, error) };
    };
    return this.#withLease(
      connect,
      signal,
      (lease) =>
        boundedStatement(lease, signal, this.#bounds, () =>
          this.#traced(lease, summary === undefined ? {} : { summary }, work(runner.manager)),
        ),
      use,
    );
  }

  /** When a statement last succeeded, by `performance.now()`; at first, when this was created. */
  get lastAnsweredAt(): number {
    return this.#lastAnsweredAt;
  }

  /**
   * Runs a statement that reads nothing, to see whether the server answers. If no connection of the
   * pool is free, it opens one for this: a pool that is full is no reason why the server should not
   * answer.
   */
  async probe(signal: AbortSignal): Promise<void> {
    if (this.#permits.hasRoom(READS)) {
      await this.query(PROBE, [], signal);
    } else {
      const { onAnswer } = this.#bounds;
      const answered = probeServer(this.#pool.options, PROBE.text, onAnswer, signal);
      const translated = answered.catch((error: unknown) => {
        throw this.#translate(error);
      });
      await settledOrAborted(translated, signal);
    }
  }

  /** What waits and what is in use at this moment. */
  state(): DatabaseState {
    return databaseState({
      poolSize: this.options.poolSize,
      pool: this.#pool,
      permits: this.#permits,
      mutex: this.#mutex,
      batchers: this.#batchers,
    });
  }

  /** Tells of the batcher in `state`. Returns it. */
  track<B extends TrackedBatcher>(batcher: B): B {
    this.#batchers.push(batcher);
    return batcher;
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await this.#dataSource.destroy();
  }

  async #transactionOnce<T>(
    signal: Signal,
    work: (run: Run) => Promise<T>,
    use: ConnectionUse,
    begin: Statement,
  ): Promise<T> {
    return this.#withLease(
      () => this.#connect(),
      signal,
      async (lease) => {
        const run: Run = (statement, values) => this.#run(lease, statement, values, signal);
        try {
          // In here, because the first of its two statements may have begun the transaction when the
          // second fails.
          await run(begin, []);
          const result = await work(run);
          await run(COMMIT, []);
          return result;
        } catch (error) {
          // Without the signal: it has often fired, and is the reason to roll back.
          await this.#run(lease, ROLLBACK, [], undefined).catch((cause: Error) => {
            lease.broken = cause;
          });
          throw error;
        }
      },
      use,
    );
  }

  async #connect(): Promise<Lease> {
    const client = await this.#pool.connect();
    return { client, release: (error) => client.release(error ?? leftInTransaction(client)) };
  }

  /** When the signal fires, this rejects at once; the connection is released when `work` has ended. */
  async #withLease<T>(
    connect: () => Promise<Lease>,
    signal: Signal,
    work: (lease: Lease) => Promise<T>,
    use: ConnectionUse,
  ): Promise<T> {
    const lease = await this.#acquire(connect, signal, use);
    const finished = work(lease).finally(() => lease.release(lease.broken));
    return settledOrAborted(finished, signal);
  }

  /** Waits for a permit, and then until there is a connection or the signal fires. */
  async #acquire(
    connect: () => Promise<Lease>,
    signal: Signal,
    use: ConnectionUse,
  ): Promise<Lease> {
    const waitingSince = this.options.tracer && performance.now();
    await this.#permits.acquire(use, signal);
    const connecting = connect().then(
      (lease): Lease => ({
        client: lease.client,
        waitingSince,
        release: (error) => {
          lease.release(error);
          this.#permits.release(use);
        },
      }),
      (error: unknown) => {
        this.#permits.release(use);
        throw this.#translate(error);
      },
    );
    try {
      return await settledOrAborted(connecting, signal);
    } catch (error) {
      // The connection may still arrive; it goes back to the pool unused.
      connecting.then(
        (lease) => lease.release(),
        () => {},
      );
      throw error;
    }
  }

  #run(
    lease: Lease,
    statement: Statement | ChooseStatement,
    values: Values,
    signal: Signal,
  ): Promise<readonly Row[]> {
    return boundedStatement(lease, signal, this.#bounds, async () => {
      const sent = (typeof values === "function" ? values() : values) as unknown[];
      const chosen = typeof statement === "function" ? statement(sent) : statement;
      const name = this.#prepared.nameOf(chosen);
      const config = { text: chosen.text, values: sent, types: rowTypes };
      if (name === undefined) {
        return (await this.#traced(lease, chosen, lease.client.query<Row>(config))).rows;
      }
      const result = this.#traced(lease, chosen, lease.client.query<Row>({ ...config, name }));
      return (await this.#prepared.noticeLoss(result)).rows;
    });
  }

  /** Traces a statement that has just been sent, unless it is no part of any work. */
  #traced<T>(lease: Lease, statement: Partial<Statement>, result: Promise<T>): Promise<T> {
    const { tracer } = this.options;
    if (tracer === undefined || statement === PROBE) return result;
    const { client, waitingSince } = lease;
    const { summary, text } = statement;
    lease.waitingSince = undefined;
    return tracedStatement(tracer, { summary, text, server: client, waitingSince }, result);
  }

  #translate(error: unknown): unknown {
    if (suggestsFailover(error)) this.options.onSuspectedFailover?.();
    return translateDriverError(error);
  }
}

/** With the level, since the server, the database or the role may have another one by default. */
const BEGIN: Statement = { summary: "BEGIN", text: "BEGIN ISOLATION LEVEL READ COMMITTED" };
const COMMIT: Statement = { summary: "COMMIT", text: "COMMIT" };
const ROLLBACK: Statement = { summary: "ROLLBACK", text: "ROLLBACK" };

/** Begins a transaction in which a statement waits for a lock no longer than `lockTimeoutMs`. */
function beginWith(lockTimeoutMs: number): Statement {
  return { ...BEGIN, text: `${BEGIN.text}; SET LOCAL lock_timeout = ${lockTimeoutMs}` };
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof StorageFault && error.code === LOCK_NOT_AVAILABLE;
}

function ignore(): void {}
