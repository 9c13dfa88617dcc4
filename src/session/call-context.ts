/**
 * On whose behalf a call is made. Every method of a store takes it.
 *
 * The contract that all methods of all stores share: `now` in a result is the database's clock at
 * the time of the statement. A change and its audit event commit together or not at all, before the
 * promise resolves. A store that is away or too slow rejects with STORAGE_UNAVAILABLE, one whose
 * queue is full with OVERLOADED. An aborted `signal` rejects with its reason and stops the statement.
 * One suite of tests checks every implementation.
 */
export interface CallContext {
  /** Fires when the caller has cancelled or its deadline has passed. */
  readonly signal: AbortSignal | undefined;
  /** The authenticated calling service; empty while callers are not authenticated. */
  readonly callingService: string;
}
