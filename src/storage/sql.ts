/** Pieces of SQL that several statements share. */

/** Now, in the milliseconds that the domain reckons in. */
export const NOW = "date_trunc('milliseconds', statement_timestamp())";

/**
 * Whether a row of a session is live. PostgreSQL checks it again on a row that it waited for while
 * it was changed. The clock, not the statement's time: a statement that waited past a deadline
 * must not take the session for live, or a late touch would revive it.
 */
export function live(row: string): string {
  return `${row}.revoked_at IS NULL
  AND ${row}.absolute_expires_at > clock_timestamp()
  AND ${row}.last_seen_at + ${row}.idle_timeout_seconds * interval '1 second'
    > clock_timestamp()`;
}

export const LIVE = live("sessions");

export const SESSION_COLUMNS = `id, tenant_id, actor_type, actor_id, app_type, pre_login, created_at,
  last_seen_at, idle_timeout_seconds, absolute_expires_at, revoked_at, revoke_reason, revoked_by,
  ip_address, user_agent, signing_key_id, csrf_token_hash, metadata`;

/** The columns of an audit event in the order in which statements fill them. */
export const AUDIT_COLUMNS = `occurred_at, category, action, acting_actor_id, calling_service,
  tenant_id, resource_type, resource_id, details`;
