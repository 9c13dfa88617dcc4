import type { AuditAction, RefusalAudit } from "./audit.ts";
import { type Reason, SessionError } from "./errors.ts";
import type { CallContext } from "./ports.ts";
import type { Session } from "./session.ts";

const actions: Partial<Record<Reason, AuditAction>> = {
  IP_MISMATCH: "auth.session_ip_mismatch",
  USER_AGENT_MISMATCH: "auth.session_ua_mismatch",
};

/**
 * Makes the errors of refusals that concern a known session, and has each audited with its real
 * reason, whatever the caller will be told. Forged cookies concern no session and leave no trace
 * here: anyone could fill the audit with them.
 */
export class Refusals {
  readonly #audit: RefusalAudit | undefined;

  /** Without an audit, refusals are not recorded. */
  constructor(audit: RefusalAudit | undefined) {
    this.#audit = audit;
  }

  of(
    session: Session,
    reason: Reason,
    context: CallContext,
    details: Readonly<Record<string, string>> = {},
  ): SessionError {
    this.#audit?.record({
      action: actions[reason] ?? "auth.session_refused",
      actingActorId: session.actorId,
      callingService: context.callingService,
      tenantId: session.tenantId,
      resourceType: "session",
      resourceId: session.id,
      details: { reason, ...details },
    });
    return new SessionError(reason);
  }
}
