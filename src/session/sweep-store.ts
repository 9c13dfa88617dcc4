import type { CallContext } from "./call-context.ts";

/** The deletions that a sweep consists of. Each deletes at most `limit` rows and says how many. */
export interface SweepStore {
  /**
   * Runs `work` unless another sweep is at work in any process; the lock goes with the process.
   * Undefined if it was not run.
   */
  withSweepLock<T>(work: () => Promise<T>, context: CallContext): Promise<T | undefined>;

  /** Sessions whose absolute deadline passed at least `historyMs` ago, so that none is live. */
  deleteEndedSessions(historyMs: number, limit: number, context: CallContext): Promise<number>;

  /** Pre-login sessions past their absolute deadline. */
  deletePreLoginSessions(limit: number, context: CallContext): Promise<number>;

  /** Keys that were retired at least `retentionMs` ago and that no session refers to. */
  deleteSigningKeys(retentionMs: number, limit: number, context: CallContext): Promise<number>;

  /** Audit events at least `retentionMs` old. */
  deleteAuditEvents(retentionMs: number, limit: number, context: CallContext): Promise<number>;
}
