import type { AuditAction, DenialAudit } from "./audit.ts";
import type { CallContext } from "./call-context.ts";
import type { MonotonicClock } from "./clock.ts";
import { type Reason, SessionError } from "./errors.ts";
import type { Session } from "./session.ts";

const actions: Partial<Record<Reason, AuditAction>> = {
  IP_MISMATCH: "auth.session_ip_mismatch",
  USER_AGENT_MISMATCH: "auth.session_ua_mismatch",
};

/** Denials of the same session for the same reason are audited once in this time. */
const REPEAT_INTERVAL_MS = 60_000;
/** The maximum number of pairs of session and reason that are kept in memory. */
const MAX_RECENT = 10_000;

interface RecentDenial {
  readonly auditedAt: number;
  /** The number of denials since then, which were not audited. */
  unaudited: number;
}

/**
 * Makes the errors for denials of a known session, and audits them with their real reason, even if
 * the caller gets a uniform one.
 *
 * The number of audit events depends on the number of sessions, not of requests: anyone can send a
 * denied cookie as often as they like. So repeated denials are only counted, in the next event. Forged
 * cookies belong to no session and are not audited; the log counts them.
 */
export class Denials {
  readonly #audit: DenialAudit | undefined;
  readonly #clock: MonotonicClock;
  readonly #recent = new Map<string, RecentDenial>();

  /** Without an audit, denials are not recorded. */
  constructor(audit: DenialAudit | undefined, clock: MonotonicClock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  /**
   * Audits the denial of a session.
   *
   * @returns the error to throw
   */
  record(
    session: Session,
    reason: Reason,
    context: CallContext,
    details: Readonly<Record<string, string>> = {},
  ): SessionError {
    const repeated = this.#repetitionsIfDue(`${session.id} ${reason}`);
    if (repeated !== undefined) {
      this.#audit?.record({
        action: actions[reason] ?? "auth.session_refused",
        actingActorId: session.actorId,
        callingService: context.callingService,
        tenantId: session.tenantId,
        resourceType: "session",
        resourceId: session.id,
        details: { reason, ...details, ...(repeated > 0 && { repeated: String(repeated) }) },
      });
    }
    const audited = this.#audit !== undefined;
    return new SessionError(reason, { tenantId: session.tenantId, audited });
  }

  /** How many denials were not audited since the last one was. Undefined if this one is not due. */
  #repetitionsIfDue(subject: string): number | undefined {
    const now = this.#clock();
    const recent = this.#recent.get(subject);
    if (recent !== undefined && now - recent.auditedAt < REPEAT_INTERVAL_MS) {
      recent.unaudited += 1;
      return undefined;
    }
    this.#recent.delete(subject);
    this.#recent.set(subject, { auditedAt: now, unaudited: 0 });
    if (this.#recent.size > MAX_RECENT) {
      const [oldest] = this.#recent.keys();
      this.#recent.delete(oldest as string);
    }
    return recent?.unaudited ?? 0;
  }
}
