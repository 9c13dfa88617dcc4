import { TypeORMError } from "typeorm";
import { SessionError } from "../../session/errors.ts";

/**
 * A failure of the database that is not an outage: a constraint, a defect in a statement. It keeps
 * what identifies the failure and drops the driver's words, which may quote values.
 */
export class StorageFault extends Error {
  override readonly name = "StorageFault";
  /** The SQLSTATE; empty if the failure did not come from the server. */
  readonly code: string;
  readonly constraint: string;

  constructor(code: string, constraint: string) {
    super(`PostgreSQL refused a statement: SQLSTATE ${code}${constraint && `, ${constraint}`}`);
    this.code = code;
    this.constraint = constraint;
  }
}

interface DriverError {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
  readonly driverError?: unknown;
}

/**
 * SQLSTATEs, by class or whole, that say that the database cannot serve at the moment, whatever
 * the statement was.
 */
const OUTAGES = [
  "08", // connection exceptions
  "25006", // read-only transaction: connected to a standby during a failover
  "25P03", // the server ended a transaction that was idle for too long
  "28", // refused credentials: the operator's matter, not the caller's
  "3D000", // no such database
  "53", // out of disk, memory or connections
  "57", // shutdown, crash recovery, cancelled
  "58", // input and output errors
  "XX", // corruption and internal errors
] as const;

/**
 * SQLSTATEs after which the connection is no good: its server is going or has become a standby. It
 * may still seem alive when the statement has failed, and the next call would fail on it too.
 */
const ENDS_CONNECTION = ["08", "25006", "25P03", "57P"] as const;

/** Errors that no server and no socket makes: they are ours. */
const defects = [TypeError, RangeError, ReferenceError] as const;

const SQLSTATE = /^[0-9A-Z]{5}$/;

export const UNIQUE_VIOLATION = "23505";
/** Of transactions that got in each other's way: nothing was done, and trying again may succeed. */
export const RETRYABLE: readonly string[] = ["40001", "40P01"];

export function storageUnavailable(cause: unknown): SessionError {
  return new SessionError("STORAGE_UNAVAILABLE", { cause });
}

/** Whether the connection on which a driver's error came up should not be used again. */
export function endsConnection(error: unknown): boolean {
  const { code, driverError } = (error ?? {}) as DriverError;
  if (driverError !== undefined) return endsConnection(driverError);
  return typeof code === "string" && ENDS_CONNECTION.some((state) => code.startsWith(state));
}

/** What the rest of sessiond may see of a driver's error. */
export function translateDriverError(error: unknown): unknown {
  if (error instanceof SessionError || error instanceof StorageFault) return error;
  if (typeof error !== "object" || error === null) return error;
  const { driverError } = error as DriverError;
  if (driverError !== undefined) return translateDriverError(driverError);

  const { code, constraint } = error as DriverError;
  if (typeof code === "string" && SQLSTATE.test(code)) {
    const fault = new StorageFault(code, typeof constraint === "string" ? constraint : "");
    return OUTAGES.some((outage) => code.startsWith(outage)) ? storageUnavailable(fault) : fault;
  }
  if (error instanceof TypeORMError || defects.some((kind) => error instanceof kind)) return error;
  // No SQLSTATE: the server did not answer. The socket's or the pool's words hold no values.
  return storageUnavailable(error);
}
