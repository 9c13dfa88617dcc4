import type { TenantId } from "./ids.ts";

/** What is called when a call is cancelled: an event listener. */
export interface CancellationListener {
  handleEvent(): void;
}

/** The part of an AbortSignal that a call needs while it only waits. Every AbortSignal is one. */
export interface Cancellation {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: CancellationListener): void;
  removeEventListener(type: "abort", listener: CancellationListener): void;
}

/**
 * The caller of a method, and when to cancel it. All methods of all stores take it.
 *
 * All stores follow this contract, which one test suite checks for every implementation:
 * - `now` in a result is the database's clock at the start of the statement.
 * - A change and its audit event commit together, before the promise resolves, or not at all.
 * - If the store is unavailable or too slow, the promise rejects with STORAGE_UNAVAILABLE; if its queue
 *   is full, with OVERLOADED.
 * - If `signal` fires, the promise rejects with the signal's reason, and the statement is cancelled.
 */
export interface CallContext {
  /** Fires when the caller has cancelled the call or its deadline has passed. */
  readonly signal: AbortSignal | undefined;
  /** Fires together with the signal. Costs less, for the most frequent reads. Undefined: use the signal. */
  readonly cancellation?: Cancellation | undefined;
  /** The authenticated calling service; empty where callers are not authenticated. */
  readonly callingService: string;
  /** The tenants that the caller may act on. Undefined: all of them. */
  readonly tenants?: ReadonlySet<TenantId> | undefined;
  /** Whose turn the call takes in queues: the calling service's, or else the connection's. */
  readonly clientKey?: string | undefined;
  /** Whose limits the call counts for: the calling service's, or else the peer's address. */
  readonly limitKey?: string | undefined;
}
