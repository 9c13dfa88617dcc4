import { EntitySchema, type ValueTransformer } from "typeorm";
import type { Instant } from "../../session/clock.ts";
import type { SessionId } from "../../session/ids.ts";
import type { Session } from "../../session/session.ts";
import { instant } from "../pg/instants.ts";

/** A row, with what only the reads of a rotated session's successor use (rotate-session.ts). */
interface SessionRow extends Session {
  readonly rotatedTo: SessionId | undefined;
  readonly rotationGraceUntil: Instant | undefined;
}

/** Timeouts are stored in whole seconds, as in cookies (Max-Age). */
const seconds: ValueTransformer = {
  from: (value: number) => value * 1000,
  to: (ms: number) => ms / 1000,
};

/**
 * The table of sessions. Column lists, the mapping of rows and the parameters of the Create statement
 * are derived from it (session-columns.ts).
 */
export const sessionEntity = new EntitySchema<SessionRow>({
  name: "session",
  tableName: "sessions",
  columns: {
    id: { type: "text", primary: true, collation: "C" },
    tenantId: { name: "tenant_id", type: "text", collation: "C" },
    actorType: { name: "actor_type", type: "text", collation: "C" },
    actorId: { name: "actor_id", type: "text", collation: "C" },
    appType: { name: "app_type", type: "text", collation: "C" },
    preLogin: { name: "pre_login", type: "boolean" },
    createdAt: { name: "created_at", type: "timestamptz", transformer: instant },
    lastSeenAt: { name: "last_seen_at", type: "timestamptz", transformer: instant },
    idleTimeoutMs: { name: "idle_timeout_seconds", type: "integer", transformer: seconds },
    absoluteExpiresAt: { name: "absolute_expires_at", type: "timestamptz", transformer: instant },
    revokedAt: { name: "revoked_at", type: "timestamptz", nullable: true, transformer: instant },
    revokeReason: { name: "revoke_reason", type: "text", default: "" },
    revokedBy: { name: "revoked_by", type: "text", default: "" },
    ipAddress: { name: "ip_address", type: "text" },
    userAgent: { name: "user_agent", type: "text" },
    signingKeyId: { name: "signing_key_id", type: "text", collation: "C" },
    csrfTokenHash: { name: "csrf_token_hash", type: "bytea" },
    metadata: { type: "jsonb" },
    metadataEtag: { name: "metadata_etag", type: "bigint", default: 1 },
    authLevel: { name: "auth_level", type: "integer", default: 0 },
    authMethods: { name: "auth_methods", type: "jsonb", default: [] },
    authenticatedAt: {
      name: "authenticated_at",
      type: "timestamptz",
      nullable: true,
      transformer: instant,
    },
    rotatedTo: {
      name: "rotated_to",
      type: "text",
      collation: "C",
      nullable: true,
      select: false,
    },
    rotationGraceUntil: {
      name: "rotation_grace_until",
      type: "timestamptz",
      nullable: true,
      select: false,
      transformer: instant,
    },
  },
});
