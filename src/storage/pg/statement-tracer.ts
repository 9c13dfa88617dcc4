/** A statement that has been sent, without its values. */
export interface SentStatement {
  /** What it does to which tables, such as `SELECT sessions`. */
  readonly summary: string | undefined;
  /** Undefined for one that TypeORM has built. */
  readonly text: string | undefined;
  readonly server: DatabaseServer;
  /**
   * Since when it has waited for its connection, by performance.now(). Undefined if it had one, as all
   * but the first of a transaction.
   */
  readonly waitingSince: number | undefined;
}

/** What a connection is connected to: a part of the driver's client. */
export interface DatabaseServer {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database?: string | undefined;
}

export interface StatementSpan {
  /** @param error the driver's; undefined if the statement has succeeded */
  end(error: unknown): void;
}

/** Traces statements. Its own code must not throw. */
export interface StatementTracer {
  /** Called when a statement has been sent, where its call runs. */
  start(statement: SentStatement): StatementSpan;
  /** The call that runs now, for `inBatch`. */
  capture(): unknown;
  /**
   * Runs `work`, whose statements serve these calls.
   *
   * @param calls what `capture` has returned for each, the first one first; called for each statement
   * when it has been sent, since a batch is open until then. Empty: no call waits for them.
   */
  inBatch<T>(calls: () => readonly unknown[], work: () => T): T;
}

/** Settles as the statement's result does, and ends its span. */
export async function tracedStatement<T>(
  tracer: StatementTracer,
  statement: SentStatement,
  result: Promise<T>,
): Promise<T> {
  const span = tracer.start(statement);
  try {
    const value = await result;
    span.end(undefined);
    return value;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
