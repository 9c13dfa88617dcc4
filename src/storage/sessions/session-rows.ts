import type { Instant } from "../../session/clock.ts";
import type { SessionId, SigningKeyId, TenantId } from "../../session/ids.ts";
import type { Session } from "../../session/session.ts";
import type { SessionSnapshot } from "../../session/session-store.ts";
import type { SigningKey } from "../../session/signing-key.ts";
import type { Row } from "../pg/database.ts";
import type { SessionRecord } from "./session-entity.ts";

/** Rows of our own statements hold instants, those of TypeORM's queries hold dates. */
export function instantOf(value: unknown): Instant {
  return Number(value);
}

export function optionalInstantOf(value: unknown): Instant | undefined {
  return value === null ? undefined : instantOf(value);
}

export function sessionOf(row: Row): Session {
  return {
    id: row.id as SessionId,
    tenantId: row.tenant_id as TenantId,
    actorType: row.actor_type as string,
    actorId: row.actor_id as string,
    appType: row.app_type as string,
    preLogin: row.pre_login as boolean,
    createdAt: instantOf(row.created_at),
    lastSeenAt: instantOf(row.last_seen_at),
    idleTimeoutMs: (row.idle_timeout_seconds as number) * 1000,
    absoluteExpiresAt: instantOf(row.absolute_expires_at),
    revokedAt: optionalInstantOf(row.revoked_at),
    revokeReason: row.revoke_reason as string,
    revokedBy: row.revoked_by as string,
    ipAddress: row.ip_address as string,
    userAgent: row.user_agent as string,
    signingKeyId: row.signing_key_id as SigningKeyId,
    csrfTokenHash: row.csrf_token_hash as Buffer,
    metadata: row.metadata as Record<string, string>,
  };
}

export function snapshotOf(row: Row | undefined): SessionSnapshot | undefined {
  return row && { session: sessionOf(row), now: instantOf(row.now) };
}

export function sessionOfRecord({ idleTimeoutSeconds, ...record }: SessionRecord): Session {
  return { ...record, idleTimeoutMs: idleTimeoutSeconds * 1000 };
}

export function signingKeyOf(row: Row): SigningKey {
  return {
    id: row.id as SigningKeyId,
    tenantId: row.tenant_id as TenantId,
    createdAt: instantOf(row.created_at),
    retiredAt: optionalInstantOf(row.retired_at),
  };
}

export function byId(rows: readonly Row[]): ReadonlyMap<unknown, Row> {
  return new Map(rows.map((row) => [row.id, row]));
}
