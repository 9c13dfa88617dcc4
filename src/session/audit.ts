import type { Instant } from "./clock.ts";
import type { TenantId } from "./ids.ts";

export type AuditAction =
  | "auth.session_created"
  | "auth.session_revoked"
  | "auth.sessions_revoked_for_actor"
  | "auth.session_rotated"
  | "auth.session_grace_ended"
  | "auth.session_metadata_updated"
  | "auth.session_csrf_rotated"
  | "auth.sessions_csrf_rotated_for_actor"
  | "auth.session_signing_key_bootstrap"
  | "auth.session_signing_key_rotated"
  | "auth.token_key_bootstrap"
  | "auth.token_key_rotated"
  | "auth.session_ip_mismatch"
  | "auth.session_ua_mismatch"
  | "auth.session_refused";

export type AuditResourceType = "session" | "signing_key" | "token_key" | "actor";

/** What an actor did to a resource. Contains no credential. */
export interface AuditEntry {
  readonly action: AuditAction;
  readonly actingActorId: string;
  readonly callingService: string;
  readonly tenantId: TenantId;
  readonly resourceType: AuditResourceType;
  readonly resourceId: string;
  readonly details: Readonly<Record<string, string>>;
}

export interface AuditEvent extends AuditEntry {
  /** Later events have higher ids. */
  readonly id: bigint;
  /** Always `auth`. */
  readonly category: string;
  readonly occurredAt: Instant;
}

/**
 * Records the audit events of denials. It returns at once and never throws, because a slow or failed
 * audit must not delay or change the denial.
 */
export interface DenialAudit {
  record(entry: AuditEntry): void;
}
