import pg from "pg";
import { TypeORMError } from "typeorm";
import { SessionError } from "../../session/errors.ts";

const READ_ONLY = "25006";
const IS_READ_ONLY =
  ", the database is read-only: it is a standby, or default_transaction_read_only is on";

/**
 * A failure of a statement that is not an outage: a violated constraint, or a bug in the statement.
 * It keeps what identifies the failure, but not the driver's message, which may contain values.
 */
export class StorageFault extends Error {
  override readonly name = "StorageFault";
  /** The SQLSTATE. */
  readonly code: string;
  /** The name of the violated constraint; empty if there is none. */
  readonly constraint: string;

  constructor(code: string, constraint: string) {
    const detail = code === READ_ONLY ? IS_READ_ONLY : constraint && `, ${constraint}`;
    super(`PostgreSQL refused a statement: SQLSTATE ${code}${detail}`);
    this.code = code;
    this.constraint = constraint;
  }
}

/**
 * A named prepared statement was not found on the connection, or already existed there. PostgreSQL
 * reports it before it executes anything, so the statement may be sent again.
 */
export class PreparedStatementLost extends StorageFault {}

interface DriverError {
  readonly code?: unknown;
  readonly driverError?: unknown;
}

/**
 * SQLSTATEs, or their classes, that mean that the database is unavailable at the moment,
 * independent of the statement.
 */
const OUTAGES = [
  "08", // connection exceptions
  READ_ONLY, // read-only transaction: connected to a standby during a failover
  "25P03", // the server ended a transaction that was idle for too long
  "28", // rejected credentials: the operator has to act, not the caller
  "3D000", // no such database
  "53", // out of disk, memory or connections
  "57", // shutdown, crash recovery, cancelled
  "58", // I/O errors
  "XX", // corruption and internal errors
] as const;

/**
 * SQLSTATEs after which the connection cannot be used: its server shuts down or has become a
 * standby, or a transaction on it has failed and was not rolled back. The connection may look open
 * after the failure, but the next statement would fail too.
 */
const ENDS_CONNECTION = ["08", READ_ONLY, "25P02", "25P03", "57P"] as const;

/**
 * SQLSTATEs, or their classes, after which another server may be the primary: this one ends, is read-only, or
 * is not the one that was set up. A primary that is full, overloaded or told to cancel is still the primary.
 */
const SUSPECTED_FAILOVER = ["08", READ_ONLY, "28", "3D000", "57P"] as const;

/** Errors that come from a bug in this process, not from the server or a socket. */
const defects = [TypeError, RangeError, ReferenceError] as const;

export const UNIQUE_VIOLATION = "23505";
/** A lock was not released within lock_timeout. */
export const LOCK_NOT_AVAILABLE = "55P03";
/** Serialization failure and deadlock: nothing was changed, and a retry may succeed. */
export const RETRYABLE: readonly string[] = ["40001", "40P01"];

/** Already exists, does not exist. */
const PREPARED_STATEMENT_LOST: readonly unknown[] = ["42P05", "26000"];

/** Translates the driver's error if a named prepared statement was lost. */
export function preparedStatementLost(error: unknown): PreparedStatementLost | undefined {
  const { code } = (error ?? {}) as DriverError;
  if (!PREPARED_STATEMENT_LOST.includes(code)) return undefined;
  return new PreparedStatementLost(code as string, "");
}

export function storageUnavailable(cause: unknown): SessionError {
  return new SessionError("STORAGE_UNAVAILABLE", { cause });
}

/** Whether the connection must not be used again after this error of the driver. */
export function endsConnection(error: unknown): boolean {
  const { driverError } = (error ?? {}) as DriverError;
  if (driverError !== undefined) return endsConnection(driverError);
  if (!(error instanceof pg.DatabaseError)) return isSystemError(error);
  const { code = "" } = error;
  return ENDS_CONNECTION.some((state) => code.startsWith(state));
}

/** Whether this error of the driver may mean that another server has become the primary. */
export function suggestsFailover(error: unknown): boolean {
  const { driverError } = (error ?? {}) as DriverError;
  if (driverError !== undefined) return suggestsFailover(driverError);
  if (error instanceof pg.DatabaseError) {
    const { code = "" } = error;
    return SUSPECTED_FAILOVER.some((state) => code.startsWith(state));
  }
  // An error that the server has not reported, and not one that is translated already.
  return translateDriverError(error) !== error;
}

/** Whether it is an error of the socket. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

/**
 * Translates an error of the driver or of TypeORM: an outage becomes a SessionError, another SQLSTATE
 * a StorageFault. Bugs in this process are returned as they are.
 */
export function translateDriverError(error: unknown): unknown {
  if (error instanceof SessionError || error instanceof StorageFault) return error;
  if (typeof error !== "object" || error === null) return error;
  const { driverError } = error as DriverError;
  if (driverError !== undefined) return translateDriverError(driverError);

  // Other errors have codes too, which can look like an SQLSTATE: EPIPE.
  if (error instanceof pg.DatabaseError) {
    const { code = "", constraint = "" } = error;
    const fault = new StorageFault(code, constraint);
    return OUTAGES.some((outage) => code.startsWith(outage)) ? storageUnavailable(fault) : fault;
  }
  if (error instanceof TypeORMError || defects.some((kind) => error instanceof kind)) return error;
  // The server did not answer. Messages of the socket and the pool contain no values.
  return storageUnavailable(error);
}
