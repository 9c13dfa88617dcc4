/** What clients have done and what the database says afterwards. The checker compares the two. */

/**
 * What a client knows of a call: it was acknowledged; it failed and has changed nothing; or its effect
 * is unknown, because the answer was lost, late or an outage.
 */
export type Outcome = "acknowledged" | "failed" | "unknown";

interface Base {
  /** Unique. It is the acting actor of the call, so that audit events name it. */
  readonly id: string;
  readonly client: string;
  readonly replica: string;
  /** Milliseconds on the monotonic clock of the suite. */
  readonly invokedAt: number;
  readonly endedAt: number;
  readonly outcome: Outcome;
  /** The gRPC code's name, such as `OK` or `UNAVAILABLE`. */
  readonly code: string;
  /** The reason of sessiond's ErrorDetail; empty if there is none. */
  readonly reason: string;
  /** Whether the client's library may have sent the call more than once. */
  readonly retries: boolean;
}

/** Milliseconds since the Unix epoch, by the database's clock. */
type Instant = number;

/** The times of a session in a response. */
export interface SessionTimes {
  readonly lastSeenAt: Instant;
  readonly idleExpiresAt: Instant;
  readonly absoluteExpiresAt: Instant;
}

export interface CreateOperation extends Base {
  readonly kind: "create";
  readonly actorId: string;
  /** The id of the session that it was asked to replace. */
  readonly replaces?: string;
  /** As of a Revoke, for `replaces`. */
  readonly foundLive?: true;
  readonly result?: SessionTimes & {
    readonly sessionId: string;
    readonly createdAt: Instant;
    /** SHA-256 of the CSRF token, as hexadecimal digits. */
    readonly csrfHash: string;
    /** Empty if it replaced none. */
    readonly replacedSessionId: string;
  };
}

export interface ValidateOperation extends Base {
  readonly kind: "validate";
  readonly sessionId: string;
  /** That of the CSRF token in the request, if there is one. */
  readonly csrfHash?: string;
  readonly result?: SessionTimes & { readonly sessionId: string };
}

export interface TouchOperation extends Base {
  readonly kind: "touch";
  readonly sessionId: string;
  readonly result?: SessionTimes & { readonly sessionId: string; readonly touched: boolean };
}

export interface RevokeOperation extends Base {
  readonly kind: "revoke";
  readonly sessionId: string;
  /**
   * The order of events was enforced: the call had found the session live before any rotation of it was
   * done.
   */
  readonly foundLive?: true;
  readonly result?: { readonly sessionId: string; readonly revoked: boolean };
}

export interface RevokeAllOperation extends Base {
  readonly kind: "revoke_all";
  readonly actorId: string;
  /** The id of the session that was not to be revoked. */
  readonly keep?: string;
  readonly result?: { readonly count: number };
}

export interface RotateCsrfOperation extends Base {
  readonly kind: "rotate_csrf";
  readonly sessionId: string;
  readonly result?: { readonly sessionId: string; readonly csrfHash: string };
}

export interface RotateSessionOperation extends Base {
  readonly kind: "rotate_session";
  readonly sessionId: string;
  readonly actorId: string;
  /** 0 without a grace. */
  readonly graceMs: number;
  /** The times are those of the successor. */
  readonly result?: SessionTimes & {
    /** The session that was replaced. */
    readonly sessionId: string;
    readonly successorId: string;
    /** That of the successor's CSRF token. */
    readonly csrfHash: string;
  };
}

export interface UpdateMetadataOperation extends Base {
  readonly kind: "update_metadata";
  readonly sessionId: string;
  /** The metadata_etag of the request. */
  readonly etag: string;
  readonly result?: SessionTimes & {
    readonly sessionId: string;
    /** The metadata_etag that the update has made. */
    readonly etag: string;
  };
}

export interface RotateKeyOperation extends Base {
  readonly kind: "rotate_key";
  readonly tenantId: string;
  readonly result?: { readonly activeKeyId: string; readonly retiredKeyId: string };
}

/** It may delete sessions past their absolute deadline. */
export interface SweepOperation extends Base {
  readonly kind: "sweep";
  readonly result?: { readonly sessionsDeleted: number };
}

export type Operation =
  | CreateOperation
  | ValidateOperation
  | TouchOperation
  | RevokeOperation
  | RevokeAllOperation
  | RotateCsrfOperation
  | RotateSessionOperation
  | UpdateMetadataOperation
  | RotateKeyOperation
  | SweepOperation;

export interface SessionRecord {
  readonly id: string;
  /**
   * The id of the Create, which is in the session's metadata. A rotation copies it, and an update of the
   * metadata keeps it.
   */
  readonly createdBy: string;
  readonly actorId: string;
  readonly lastSeenAt: Instant;
  readonly idleTimeoutMs: number;
  readonly absoluteExpiresAt: Instant;
  readonly revokedAt: Instant | undefined;
  readonly revokeReason: string;
  readonly revokedBy: string;
  readonly csrfHash: string;
  /** The session that has replaced it by a rotation; empty if there is none. */
  readonly rotatedTo: string;
  /** The number of the metadata's version: 1, and one more with each update. */
  readonly metadataVersion: number;
  /** The id of the last UpdateMetadata, which is in the session's metadata; empty if there was none. */
  readonly updatedBy: string;
}

export interface AuditRecord {
  readonly action: string;
  readonly actingActorId: string;
  readonly resourceId: string;
  readonly details: Readonly<Record<string, string>>;
}

export interface SigningKeyRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly isActive: boolean;
}

/** The whole database, read when no call and no statement was in flight any more. */
export interface FinalState {
  readonly sessions: readonly SessionRecord[];
  readonly audit: readonly AuditRecord[];
  readonly signingKeys: readonly SigningKeyRecord[];
  /** When it was read, by the database's clock. */
  readonly readAt: Instant;
  /** The database's clock minus the suite's, in milliseconds, is between these two. */
  readonly clockOffset: { readonly min: number; readonly max: number };
  /** The configured limit. Undefined: none. */
  readonly maxSessionsPerActor?: number | undefined;
}

export interface Violation {
  readonly rule: string;
  /** The operations that contradict each other or the database. */
  readonly operations: readonly string[];
  readonly explanation: string;
}
