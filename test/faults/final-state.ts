import type pg from "pg";
import { until } from "../support/until.ts";
import type { AuditRecord, FinalState, SessionRecord, SigningKeyRecord } from "./history.ts";

type Sql = <Row extends pg.QueryResultRow>(
  text: string,
  values?: readonly unknown[],
) => Promise<Row[]>;

export type ClockOffset = FinalState["clockOffset"];

const BUSY = `
  SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'sessiond' AND state <> 'idle'`;

const inMs = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;

const SESSIONS = `
  SELECT id, metadata->>'operation' AS "createdBy", actor_id AS "actorId",
    ${inMs("last_seen_at")} AS "lastSeenAt", idle_timeout_seconds * 1000 AS "idleTimeoutMs",
    ${inMs("absolute_expires_at")} AS "absoluteExpiresAt", ${inMs("revoked_at")} AS "revokedAt",
    revoke_reason AS "revokeReason", revoked_by AS "revokedBy",
    encode(csrf_token_hash, 'hex') AS "csrfHash", COALESCE(rotated_to, '') AS "rotatedTo",
    metadata_etag::integer AS "metadataVersion",
    COALESCE(metadata->>'update', '') AS "updatedBy"
  FROM sessions`;

/** Denials are audited, too, but are not part of the model: under load they may be dropped. */
const AUDIT = `
  SELECT action, acting_actor_id AS "actingActorId", resource_id AS "resourceId", details
  FROM audit_events WHERE action = ANY ($1)`;

const CHANGES = [
  "auth.session_created",
  "auth.session_revoked",
  "auth.sessions_revoked_for_actor",
  "auth.session_csrf_rotated",
  "auth.session_rotated",
  "auth.session_metadata_updated",
  "auth.session_signing_key_rotated",
  "auth.session_signing_key_bootstrap",
];

const SIGNING_KEYS = `
  SELECT id, tenant_id AS "tenantId", retired_at IS NULL AS "isActive" FROM signing_keys`;

/** Waits until no statement of sessiond runs any more: what was given up may still be executed. */
export async function untilQuiet(sql: Sql): Promise<void> {
  await until("no statement of sessiond runs", async () => (await sql(BUSY)).length === 0);
}

/** Reads the whole database, when no call is in flight any more. */
export async function readFinalState(sql: Sql, startOffset: ClockOffset): Promise<FinalState> {
  await untilQuiet(sql);
  type Row = Omit<SessionRecord, "revokedAt"> & { readonly revokedAt: number | null };
  const sessions = await sql<Row>(SESSIONS);
  const endOffset = await measureClockOffset(sql);
  const clockOffset = {
    min: Math.min(startOffset.min, endOffset.min),
    max: Math.max(startOffset.max, endOffset.max),
  };
  return {
    sessions: sessions.map((row) => ({ ...row, revokedAt: row.revokedAt ?? undefined })),
    audit: await sql<AuditRecord>(AUDIT, [CHANGES]),
    signingKeys: await sql<SigningKeyRecord>(SIGNING_KEYS),
    readAt: performance.now() + clockOffset.min,
    clockOffset,
  };
}

/** The difference between the two clocks, as narrow as a few statements tell. */
export async function measureClockOffset(sql: Sql): Promise<ClockOffset> {
  let narrowest: ClockOffset = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const before = performance.now();
    const [row] = await sql<{ now: number }>(`SELECT ${inMs("clock_timestamp()")} AS now`);
    const now = row?.now ?? Number.NaN;
    const measured = { min: now - performance.now(), max: now - before };
    if (measured.max - measured.min < narrowest.max - narrowest.min) narrowest = measured;
  }
  return narrowest;
}
