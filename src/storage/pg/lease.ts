import type pg from "pg";
import { type CancellableClient, sendCancelRequest } from "./cancel-request.ts";
import type { DataRowClient } from "./data-row-client.ts";
import { endsConnection, storageUnavailable } from "./errors.ts";

const CANCEL_GRACE_MS = 1000;

/** A connection that is taken from the pool for one piece of work. */
export interface Lease {
  readonly client: pg.PoolClient;
  /** Returns the connection to the pool. With an error, closes it instead. */
  release(error?: Error): void;
  /** Set if the connection must not be used again. */
  broken?: Error;
  /** For its first statement, if statements are traced: since when it has waited, by performance.now(). */
  waitingSince?: number | undefined;
}

/** What bounds the time of statements, and who learns how they end. */
export interface StatementBounds {
  readonly limits: {
    readonly statementTimeoutMs: number;
    /** If a cancelled statement has not ended after this time, its connection is closed. 1000 by default. */
    readonly cancelGraceMs?: number;
  };
  onAnswer(): void;
  /** Returns what to throw instead. */
  translate(error: unknown): unknown;
}

/**
 * Waits for a statement, and cancels it when the signal fires or the statement timeout has passed.
 *
 * @param start sends the statement
 * @throws the reason of a signal that has fired before, or what `bounds.translate` makes of the error
 */
export async function boundedStatement<T>(
  lease: Lease,
  signal: AbortSignal | undefined,
  bounds: StatementBounds,
  start: () => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = lease.client as pg.PoolClient & DataRowClient & CancellableClient;
  let cancelled: Promise<boolean> | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const { statementTimeoutMs, cancelGraceMs = CANCEL_GRACE_MS } = bounds.limits;
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
    const result = await start();
    bounds.onAnswer();
    // A commit whose wait for the synchronous standby was cancelled is reported as done. Its warning does
    // not come if the role's client_min_messages is above it, and is needed if others have cancelled.
    if (client.hasUnreplicatedCommit) lease.broken = new Error("a commit was not replicated");
    if (cancelled !== undefined || client.hasUnreplicatedCommit) {
      throw storageUnavailable(new Error("its commit may not have been replicated"));
    }
    return result;
  } catch (error) {
    if (endsConnection(error)) lease.broken ??= error as Error;
    throw bounds.translate(error);
  } finally {
    clearTimeout(timer);
    clearTimeout(killTimer);
    signal?.removeEventListener("abort", cancel);
    // A cancel request that arrives late would cancel the next statement on this connection.
    if ((await cancelled) === false) {
      lease.broken ??= new Error("a cancellation may still be on its way");
    }
  }
}

/** Why the connection cannot serve other calls, if it is still in a transaction. */
export function leftInTransaction(client: pg.PoolClient): Error | undefined {
  const status = client.getTransactionStatus();
  if (status === "I" || status === null) return undefined;
  return new Error("a transaction was left open");
}
