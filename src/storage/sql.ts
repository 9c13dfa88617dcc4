/** Pieces of SQL that several statements share. */

/** Now, in the milliseconds that the domain reckons in. */
export const NOW = "date_trunc('milliseconds', statement_timestamp())";

/** Whether a row of `sessions` is live. PostgreSQL checks it again on a row that it waited for. */
export const LIVE = `sessions.revoked_at IS NULL
  AND sessions.absolute_expires_at > statement_timestamp()
  AND sessions.last_seen_at + sessions.idle_timeout_seconds * interval '1 second'
    > statement_timestamp()`;

export const SESSION_COLUMNS = `id, tenant_id, actor_type, actor_id, app_type, pre_login, created_at,
  last_seen_at, idle_timeout_seconds, absolute_expires_at, revoked_at, revoke_reason, revoked_by,
  ip_address, user_agent, signing_key_id, csrf_token_hash, metadata`;

/** The columns of an audit event in the order in which statements fill them. */
export const AUDIT_COLUMNS = `occurred_at, category, action, acting_actor_id, calling_service,
  tenant_id, resource_type, resource_id, details`;
