import type { Authentication } from "./authentication.ts";
import type { Instant } from "./clock.ts";
import type { SessionId, SigningKeyId, TenantId } from "./ids.ts";
import type { TimeoutPolicy } from "./policy.ts";
import type { SessionAttributes } from "./session-attributes.ts";

export interface Actor {
  readonly tenantId: TenantId;
  readonly actorType: string;
  readonly actorId: string;
}

/** A session as it is stored, without values that depend on the current time. */
export interface Session extends Actor, SessionAttributes, Authentication {
  readonly id: SessionId;
  readonly preLogin: boolean;
  readonly createdAt: Instant;
  readonly lastSeenAt: Instant;
  readonly idleTimeoutMs: number;
  readonly absoluteExpiresAt: Instant;
  readonly revokedAt: Instant | undefined;
  readonly revokeReason: string;
  readonly revokedBy: string;
  readonly signingKeyId: SigningKeyId;
  readonly csrfTokenHash: Buffer;
  /** Changes with each change of the metadata. */
  readonly metadataEtag: string;
}

/** The revoke reason of a session that RotateSession has replaced. */
export const ROTATED = "rotated";

export type SessionState = "ACTIVE" | "IDLE_EXPIRED" | "ABSOLUTE_EXPIRED" | "REVOKED";

export function idleExpiresAt(session: Session): Instant {
  return session.lastSeenAt + session.idleTimeoutMs;
}

/** At the deadline itself, the session has expired. Revocation comes before expiry. */
export function stateAt(session: Session, now: Instant): SessionState {
  if (session.revokedAt !== undefined) return "REVOKED";
  if (now >= session.absoluteExpiresAt) return "ABSOLUTE_EXPIRED";
  if (now >= idleExpiresAt(session)) return "IDLE_EXPIRED";
  return "ACTIVE";
}

export interface End {
  readonly at: Instant;
  readonly reason: string;
}

/**
 * When and why the session ended: the earliest of the revocation and the deadlines that have passed.
 * If they are equal, the revocation comes first, then the absolute deadline, as in `stateAt`.
 * Undefined while the session is live.
 */
export function endAt(session: Session, now: Instant): End | undefined {
  const { absoluteExpiresAt, revokedAt } = session;
  const idleAt = idleExpiresAt(session);
  const at = Math.min(revokedAt ?? Number.POSITIVE_INFINITY, absoluteExpiresAt, idleAt);
  // A revoked session has ended, even if `now` is from a statement that started before the revocation.
  if (at > now && revokedAt === undefined) return undefined;
  if (at === revokedAt) return { at, reason: session.revokeReason };
  return { at, reason: at === absoluteExpiresAt ? "absolute_timeout" : "idle_timeout" };
}

export interface TimeLeft {
  readonly idleMs: number;
  readonly absoluteMs: number;
  /** Whether a user interface should warn that the session is about to end. */
  readonly warning: boolean;
}

/** The time until the deadlines, in milliseconds; 0 if they have passed. */
export function timeLeft(session: Session, now: Instant, policy: TimeoutPolicy): TimeLeft {
  const idleMs = Math.max(0, idleExpiresAt(session) - now);
  const absoluteMs = Math.max(0, session.absoluteExpiresAt - now);
  return {
    idleMs,
    absoluteMs,
    warning: idleMs <= policy.idleWarningMs || absoluteMs <= policy.absoluteWarningMs,
  };
}

/**
 * How old the last write must be before a touch writes again, so that a busy session does not write
 * on each request. If the session's idle timeout is shorter than the default, the interval is shorter
 * in proportion.
 */
export function touchIntervalMs(session: Session, policy: TimeoutPolicy): number {
  return Math.floor(policy.touchIntervalMs * Math.min(1, session.idleTimeoutMs / policy.idleMs));
}

export function isTouchDue(session: Session, now: Instant, policy: TimeoutPolicy): boolean {
  return now - session.lastSeenAt >= touchIntervalMs(session, policy);
}
