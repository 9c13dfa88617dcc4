import type { AuditAction, DenialAudit } from "./audit.ts";
import type { CallContext } from "./call-context.ts";
import type { MonotonicClock } from "./clock.ts";
import { type Reason, SessionError } from "./errors.ts";
import type { Session } from "./session.ts";

const actions: Partial<Record<Reason, AuditAction>> = {
  IP_MISMATCH: "auth.session_ip_mismatch",
  USER_AGENT_MISMATCH: "auth.session_ua_mismatch",
};

/** A refusal of the same session for the same reason is audited once in this time. */
const REPEAT_MS = 60_000;
const MAX_REMEMBERED = 10_000;

interface Recent {
  readonly since: number;
  /** Denials that were not audited since. */
  unaudited: number;
}

/**
 * Makes the errors of refusals that concern a known session, and has them audited with their real
 * reason, whatever the caller will be told.
 *
 * The audit is bounded by the number of sessions, not by that of requests, because anyone can have
 * a cookie refused as often as they like: repetitions are counted in the next event. Forged
 * cookies concern no session and leave no trace here.
 */
export class Denials {
  readonly #audit: DenialAudit | undefined;
  readonly #clock: MonotonicClock;
  readonly #recent = new Map<string, Recent>();

  /** Without an audit, refusals are not recorded. */
  constructor(audit: DenialAudit | undefined, clock: MonotonicClock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  record(
    session: Session,
    reason: Reason,
    context: CallContext,
    details: Readonly<Record<string, string>> = {},
  ): SessionError {
    const repeated = this.#repetitionsToAudit(`${session.id} ${reason}`);
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
    return new SessionError(reason);
  }

  /** How many were passed over since the last one that was audited; undefined to pass this over. */
  #repetitionsToAudit(subject: string): number | undefined {
    const now = this.#clock();
    const recent = this.#recent.get(subject);
    if (recent !== undefined && now - recent.since < REPEAT_MS) {
      recent.unaudited += 1;
      return undefined;
    }
    this.#recent.delete(subject);
    this.#recent.set(subject, { since: now, unaudited: 0 });
    if (this.#recent.size > MAX_REMEMBERED) {
      const [oldest] = this.#recent.keys();
      this.#recent.delete(oldest as string);
    }
    return recent?.unaudited ?? 0;
  }
}
