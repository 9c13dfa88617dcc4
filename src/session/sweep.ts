import type { CallContext } from "./call-context.ts";
import type { MonotonicClock } from "./clock.ts";
import type { SweepPolicy, TimeoutPolicy } from "./policy.ts";
import type { SweepStore } from "./sweep-store.ts";
import { assertAllTenants } from "./tenant-access.ts";

export type SweepPart =
  | "sessions"
  | "pre_login_sessions"
  | "signing_keys"
  | "token_keys"
  | "audit_events";

/** Token keys stay in lists for this long after nobody verifies with them any more. */
const TOKEN_KEY_RETENTION_MS = 3_600_000;

export interface SweepResult {
  readonly deleted: Readonly<Record<SweepPart, number>>;
  /** Whether the sweep stopped at its time limit. */
  readonly more: boolean;
  /** The parts that failed. A failed part does not stop the others. */
  readonly failures: ReadonlyMap<SweepPart, unknown>;
}

/**
 * Runs one sweep, for at most the time limit of the policy. Undefined if another sweep is running.
 *
 * Signing keys are deleted after sessions, because a key is kept while a session refers to it.
 *
 * @throws {SessionError} CALLER_FORBIDDEN, unless the caller may act on all tenants
 * @throws the reason of the context's signal, if it fires
 */
export async function sweep(
  store: SweepStore,
  policy: SweepPolicy,
  timeouts: TimeoutPolicy,
  clock: MonotonicClock,
  context: CallContext,
): Promise<SweepResult | undefined> {
  assertAllTenants(context);
  const deletions: Record<SweepPart, (limit: number) => Promise<number>> = {
    sessions: (limit) => store.deleteEndedSessions(policy.historyMs, limit, context),
    pre_login_sessions: (limit) => store.deletePreLoginSessions(limit, context),
    signing_keys: (limit) => store.deleteSigningKeys(timeouts.keyRetentionMs, limit, context),
    token_keys: (limit) => store.deleteTokenKeys(TOKEN_KEY_RETENTION_MS, limit, context),
    audit_events: (limit) => store.deleteAuditEvents(policy.auditRetentionMs, limit, context),
  };
  const endsAt = clock() + policy.timeLimitMs;

  return store.withSweepLock(async () => {
    const deleted = {
      sessions: 0,
      pre_login_sessions: 0,
      signing_keys: 0,
      token_keys: 0,
      audit_events: 0,
    };
    const failures = new Map<SweepPart, unknown>();
    let more = false;
    for (const part of Object.keys(deletions) as SweepPart[]) {
      try {
        let count: number;
        do {
          context.signal?.throwIfAborted();
          if (clock() >= endsAt) {
            more = true;
            break;
          }
          count = await deletions[part](policy.batchSize);
          deleted[part] += count;
        } while (count === policy.batchSize);
      } catch (error) {
        context.signal?.throwIfAborted();
        failures.set(part, error);
      }
    }
    return { deleted, more, failures };
  }, context);
}
