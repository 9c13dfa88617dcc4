import type pg from "pg";
import type { DataSource, EntityManager, QueryRunner } from "typeorm";
import { SessionError } from "../../session/errors.ts";
import { type CancellableClient, sendCancelRequest } from "./cancel-request.ts";
import {
  endsConnection,
  RETRYABLE,
  StorageFault,
  storageUnavailable,
  translateDriverError,
} from "./errors.ts";
import { rowTypes } from "./row-types.ts";

export interface DatabaseOptions {
  readonly poolSize: number;
  /** Calls that may wait for a connection; one more is refused with OVERLOADED. */
  readonly queueLimit: number;
  readonly queueTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** How long a cancelled statement may take to end before its connection is thrown away. */
  readonly cancelGraceMs?: number;
  readonly preparedStatements: boolean;
}

export interface Statement {
  /** Under this name the server keeps the statement prepared. */
  readonly name?: string;
  readonly text: string;
}

export type Row = Record<string, unknown>;

/** Chooses a statement by the values that it is to be sent with. */
type ChooseStatement = (values: readonly unknown[]) => Statement;

/** A statement's values; as a function, they are asked for in the moment in which it is sent. */
export type Values = readonly unknown[] | (() => readonly unknown[]);

/** Runs a statement on a connection that is held for a transaction. */
export type Run = (statement: Statement, values: readonly unknown[]) => Promise<readonly Row[]>;

type Signal = AbortSignal | undefined;

/** A connection that is held for one piece of work. */
interface Lease {
  readonly client: pg.PoolClient;
  /** Gives the connection back or, with an error, throws it away. */
  release(error?: Error): void;
  /** Set when the connection is not fit to be used again. */
  broken?: Error;
}

const CANCEL_GRACE_MS = 1000;
const ATTEMPTS = 3;

/**
 * The way to PostgreSQL: bounds how long and how many wait for a connection, ends statements that
 * take too long or whose caller has gone, and translates errors. No timeout is set on the server:
 * that would live in a database session, which PgBouncer shares among many.
 */
export class Database {
  readonly options: DatabaseOptions;
  readonly #dataSource: DataSource;
  readonly #pool: pg.Pool;

  constructor(dataSource: DataSource, options: DatabaseOptions) {
    this.options = options;
    this.#dataSource = dataSource;
    // TypeORM types the driver as an interface without the pool.
    this.#pool = (dataSource.driver as unknown as { master: pg.Pool }).master;
    // A connection that breaks while it is leased says so by an event, which would end the process
    // if nobody listened; the statement that runs on it fails by itself. Not after the lease has
    // begun, because the first bytes that arrive on a connection may already be its end.
    this.#pool.on("acquire", (client) => client.off("error", ignore).on("error", ignore));
  }

  /** Runs one statement, which commits by itself; again if a transaction got in its way. */
  async query(
    statement: Statement | ChooseStatement,
    values: Values,
    signal: Signal,
  ): Promise<readonly Row[]> {
    return retried(() =>
      this.#withLease(
        () => this.#connect(),
        signal,
        (lease) => this.#run(lease, statement, values, signal),
      ),
    );
  }

  /**
   * Runs `work` in a READ COMMITTED transaction and commits it; rolls back if it throws. Tries
   * again if another transaction got in the way, so that `work` must be free of side effects.
   */
  async transaction<T>(signal: Signal, work: (run: Run) => Promise<T>): Promise<T> {
    return retried(() => this.#transactionOnce(signal, work));
  }

  /** Runs queries that TypeORM builds, on one connection and outside a transaction. */
  async withEntityManager<T>(
    signal: Signal,
    work: (manager: EntityManager) => Promise<T>,
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
    return this.#withLease(connect, signal, (lease) =>
      this.#bounded(lease, signal, () => work(runner.manager)),
    );
  }

  async close(): Promise<void> {
    await this.#dataSource.destroy();
  }

  async #transactionOnce<T>(signal: Signal, work: (run: Run) => Promise<T>): Promise<T> {
    return this.#withLease(
      () => this.#connect(),
      signal,
      async (lease) => {
        const run: Run = (statement, values) => this.#run(lease, statement, values, signal);
        await run({ text: "BEGIN" }, []);
        try {
          const result = await work(run);
          await run({ text: "COMMIT" }, []);
          return result;
        } catch (error) {
          // Without the signal: a caller that has gone is the usual reason to roll back.
          await this.#run(lease, { text: "ROLLBACK" }, [], undefined).catch((cause: Error) => {
            lease.broken = cause;
          });
          throw error;
        }
      },
    );
  }

  async #connect(): Promise<Lease> {
    const client = await this.#pool.connect();
    return { client, release: (error) => client.release(error) };
  }

  /** The caller does not wait for the work to be wound up when it has gone: the lease does. */
  async #withLease<T>(
    connect: () => Promise<Lease>,
    signal: Signal,
    work: (lease: Lease) => Promise<T>,
  ): Promise<T> {
    const lease = await this.#acquire(connect, signal);
    const finished = work(lease).finally(() => lease.release(lease.broken));
    return outcome(finished, signal);
  }

  /** Waits for a connection: not longer than the caller, nor than the queue's timeout. */
  async #acquire(connect: () => Promise<Lease>, signal: Signal): Promise<Lease> {
    signal?.throwIfAborted();
    const { idleCount, totalCount, waitingCount } = this.#pool;
    const { poolSize, queueLimit } = this.options;
    // The pool counts as waiting also those that it will serve in a moment from what is free.
    const ahead = waitingCount - (idleCount + poolSize - totalCount);
    const full = ahead >= 0;
    if (full && ahead >= queueLimit) throw new SessionError("OVERLOADED");
    const connecting = connect().catch((error: unknown) => {
      if (full && isPoolTimeout(error)) throw new SessionError("OVERLOADED");
      throw translateDriverError(error);
    });
    try {
      const timeoutMs = full ? this.options.queueTimeoutMs : undefined;
      return await outcome(connecting, signal, timeoutMs);
    } catch (error) {
      // It may still arrive, with nobody left to use it.
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
    return this.#bounded(lease, signal, async () => {
      const sent = (typeof values === "function" ? values() : values) as unknown[];
      const { text, name } = typeof statement === "function" ? statement(sent) : statement;
      const prepared = name !== undefined && this.options.preparedStatements;
      const config = { text, values: sent, types: rowTypes };
      const result = await lease.client.query<Row>(prepared ? { ...config, name } : config);
      return result.rows;
    });
  }

  /** Runs something on a leased connection and cancels it when the caller goes or time is up. */
  async #bounded<T>(lease: Lease, signal: Signal, start: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const client = lease.client as pg.PoolClient & CancellableClient;
    let cancelled: Promise<boolean> | undefined;
    let killTimer: NodeJS.Timeout | undefined;
    const { statementTimeoutMs, cancelGraceMs = CANCEL_GRACE_MS } = this.options;
    const cancel = () => {
      cancelled ??= sendCancelRequest(client, cancelGraceMs);
      killTimer ??= setTimeout(() => {
        lease.broken = new Error("a cancelled statement did not end");
        client.connection.stream.destroy();
      }, cancelGraceMs);
    };
    const timer = setTimeout(cancel, statementTimeoutMs);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await start();
    } catch (error) {
      if (endsConnection(error)) lease.broken ??= error as Error;
      throw translateDriverError(error);
    } finally {
      clearTimeout(timer);
      clearTimeout(killTimer);
      signal?.removeEventListener("abort", cancel);
      // Not before the server is done with it: a late cancellation would hit the next statement.
      if ((await cancelled) === false) {
        lease.broken ??= new Error("a cancellation may still be on its way");
      }
    }
  }
}

/** The pool also limits the wait for a connection by the time that opening one may take. */
function isPoolTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "timeout exceeded when trying to connect";
}

function ignore(): void {}

/** Tries again what was rolled back because another transaction got in the way. */
async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      const retryable = error instanceof StorageFault && RETRYABLE.includes(error.code);
      if (!retryable) throw error;
      if (attempts === ATTEMPTS) throw storageUnavailable(error);
    }
  }
}

/**
 * The promise's outcome; or a rejection with the signal's reason when that fires first, or with
 * OVERLOADED when the time is up.
 */
function outcome<T>(promise: Promise<T>, signal: Signal, timeoutMs?: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => reject(new SessionError("OVERLOADED")), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    });
  });
}
