import { EntitySchema } from "typeorm";
import type { Session } from "../../session/session.ts";
import { instant } from "../pg/column-transformers.ts";

/** The row of a session; it has the domain's fields but for the unit of the idle timeout. */
export interface SessionRecord extends Omit<Session, "idleTimeoutMs"> {
  readonly idleTimeoutSeconds: number;
}

export const sessionEntity = new EntitySchema<SessionRecord>({
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
    idleTimeoutSeconds: { name: "idle_timeout_seconds", type: "integer" },
    absoluteExpiresAt: { name: "absolute_expires_at", type: "timestamptz", transformer: instant },
    revokedAt: { name: "revoked_at", type: "timestamptz", nullable: true, transformer: instant },
    revokeReason: { name: "revoke_reason", type: "text", default: "" },
    revokedBy: { name: "revoked_by", type: "text", default: "" },
    ipAddress: { name: "ip_address", type: "text" },
    userAgent: { name: "user_agent", type: "text" },
    signingKeyId: { name: "signing_key_id", type: "text", collation: "C" },
    csrfTokenHash: { name: "csrf_token_hash", type: "bytea" },
    metadata: { type: "jsonb" },
  },
});
