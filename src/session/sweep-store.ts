import type { CallContext } from "./call-context.ts";

/** The deletions of a sweep. Each deletes at most `limit` rows and returns how many. */
export interface SweepStore {
  /**
   * Runs `work` unless a sweep is running, in this or another process. Undefined if it did not run
   * `work`. The lock is released even if the process dies.
   */
  withSweepLock<T>(work: () => Promise<T>, context: CallContext): Promise<T | undefined>;

  /** Deletes sessions whose absolute deadline passed at least `historyMs` milliseconds ago. */
  deleteEndedSessions(historyMs: number, limit: number, context: CallContext): Promise<number>;

  /** Deletes pre-login sessions past their absolute deadline. */
  deletePreLoginSessions(limit: number, context: CallContext): Promise<number>;

  /** Deletes keys that were retired at least `retentionMs` ago and that no session refers to. */
  deleteSigningKeys(retentionMs: number, limit: number, context: CallContext): Promise<number>;

  /** Deletes token keys that are not published any more since at least `retentionMs`. */
  deleteTokenKeys(retentionMs: number, limit: number, context: CallContext): Promise<number>;

  /** Deletes audit events that are at least `retentionMs` old. */
  deleteAuditEvents(retentionMs: number, limit: number, context: CallContext): Promise<number>;
}
