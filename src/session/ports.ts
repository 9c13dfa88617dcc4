/**
 * What the rules need from a storage. The contracts hold for every implementation, and one suite
 * of tests checks them.
 *
 * Common to all methods: `now` is the database's clock at the time of the statement. A change and
 * its audit event commit together or not at all, before the promise resolves. A storage that is
 * away or too slow rejects with STORAGE_UNAVAILABLE, one whose queue is full with OVERLOADED; an
 * aborted `signal` rejects with its reason and stops the statement.
 */

import type { AuditEntry, AuditEvent } from "./audit.ts";
import type { SessionId, SigningKeyId, TenantId } from "./ids.ts";
import type { EncryptedKey } from "./key-encryption.ts";
import type { SessionLimit } from "./policy.ts";
import type { Actor, Instant, Session } from "./session.ts";

/** On whose behalf a call is made. */
export interface CallContext {
  /** Fires when the caller has cancelled or its deadline has passed. */
  readonly signal: AbortSignal | undefined;
  /** The authenticated calling service; empty while callers are not authenticated. */
  readonly callingService: string;
}

/** A session as it was at `now`. */
export interface Read {
  readonly session: Session;
  readonly now: Instant;
}

export interface CookieRead {
  /** 0 where there is nothing to judge by it: the key does not exist. */
  readonly now: Instant;
  /** Undefined if the key does not exist. */
  readonly signingKey: { readonly retiredAt: Instant | undefined } | undefined;
  /** Undefined if there is no such session, or another key signed its cookie. */
  readonly session: Session | undefined;
}

export interface NewSession extends Actor {
  readonly id: SessionId;
  readonly appType: string;
  readonly preLogin: boolean;
  readonly idleTimeoutMs: number;
  readonly absoluteTimeoutMs: number;
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly csrfTokenHash: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ReplacedSession {
  readonly id: SessionId;
  readonly preLogin: boolean;
}

export type CreateOutcome =
  | {
      readonly kind: "created";
      readonly session: Session;
      readonly now: Instant;
      /** The session that `replaces` named, if it was live, of this tenant, and ended now. */
      readonly replaced: ReplacedSession | undefined;
    }
  /** Nothing was stored: the tenant has no active signing key yet. */
  | { readonly kind: "no_active_key" }
  /** Nothing was stored: the actor is at the limit, and the policy is to reject. */
  | { readonly kind: "limit_reached" };

export interface Revocation {
  readonly reason: string;
  readonly revokedBy: string;
}

/** A place in a list that is sorted by creation time, newest first. */
export interface ListPosition<Id extends string> {
  readonly createdAt: Instant;
  readonly id: Id;
}

export interface ListPage<Item> {
  /** 0 on an empty page. */
  readonly now: Instant;
  /** At most `limit` items. */
  readonly items: readonly Item[];
  /** Whether there are items after the last of these. */
  readonly more: boolean;
}

export interface SessionStore {
  /** One read of a cookie's signing key and session, both as of now. */
  findByCookie(
    id: SessionId,
    signingKeyId: SigningKeyId,
    context: CallContext,
  ): Promise<CookieRead>;

  /** Undefined if there is no such session. */
  find(id: SessionId, context: CallContext): Promise<Read | undefined>;

  /**
   * Stores a session under the tenant's active signing key, ends the session that it replaces and,
   * at the limit, the actor's oldest ones: all in one transaction. However many run at once, an
   * actor never has more live sessions than the limit allows; pre-login sessions do not count.
   */
  create(
    session: NewSession,
    replaces: SessionId | undefined,
    limit: SessionLimit,
    context: CallContext,
  ): Promise<CreateOutcome>;

  /**
   * Moves lastSeenAt to now, never backwards. Undefined, with nothing changed, if the session is
   * absent or has ended, or if it was touched less than `intervalMs` ago: of calls that come
   * together, one writes.
   */
  touch(id: SessionId, intervalMs: number, context: CallContext): Promise<Read | undefined>;

  /** Undefined, with nothing changed, if the session is absent or has ended. */
  revoke(id: SessionId, revocation: Revocation, context: CallContext): Promise<Read | undefined>;

  /** Ends an actor's live sessions but for `keep`; returns how many. */
  revokeAllForActor(
    actor: Actor,
    keep: SessionId | undefined,
    revocation: Revocation,
    context: CallContext,
  ): Promise<number>;

  /** Undefined, with nothing changed, if the session is absent or has ended. */
  rotateCsrf(
    id: SessionId,
    hash: Buffer,
    actingActorId: string,
    context: CallContext,
  ): Promise<Read | undefined>;

  /**
   * Gives each of an actor's live sessions the hash that `mint` makes for it. Undefined, with
   * nothing changed, if there are more than `max`.
   */
  rotateCsrfForActor(
    actor: Actor,
    max: number,
    mint: (id: SessionId) => Buffer,
    actingActorId: string,
    context: CallContext,
  ): Promise<readonly Read[] | undefined>;

  /** An actor's sessions, newest first. */
  list(
    actor: Actor,
    options: {
      readonly includeEnded: boolean;
      readonly after: ListPosition<SessionId> | undefined;
      readonly limit: number;
    },
    context: CallContext,
  ): Promise<ListPage<Session>>;
}

/** A signing key without its material. */
export interface SigningKey {
  readonly id: SigningKeyId;
  readonly tenantId: TenantId;
  readonly createdAt: Instant;
  /** Undefined while the key is active. */
  readonly retiredAt: Instant | undefined;
}

export interface StoredSigningKey extends SigningKey {
  readonly encrypted: EncryptedKey;
}

export interface NewSigningKey {
  readonly id: SigningKeyId;
  readonly tenantId: TenantId;
  readonly encrypted: EncryptedKey;
}

export interface RotatedSigningKeys {
  readonly now: Instant;
  readonly active: SigningKey;
  readonly retired: SigningKey | undefined;
}

export interface SigningKeyStore {
  /** Undefined if there is no such key. */
  find(id: SigningKeyId, context: CallContext): Promise<StoredSigningKey | undefined>;

  /**
   * Makes `key` the tenant's active key if it has none; returns whether it did. However many run
   * at once, one does.
   */
  insertFirst(key: NewSigningKey, context: CallContext): Promise<boolean>;

  /**
   * Retires the tenant's active key and makes `key` the active one, in one transaction. However
   * many run at once, all succeed one after the other and exactly one key stays active.
   */
  rotate(
    key: NewSigningKey,
    actingActorId: string,
    context: CallContext,
  ): Promise<RotatedSigningKeys>;

  /** All keys of all tenants, in batches. */
  all(context: CallContext): AsyncIterable<StoredSigningKey>;

  /** Replaces a key's ciphertext, unless another process has replaced `from` meanwhile. */
  rewrap(
    id: SigningKeyId,
    from: EncryptedKey,
    to: EncryptedKey,
    context: CallContext,
  ): Promise<void>;

  /** A tenant's keys, newest first. */
  list(
    tenantId: TenantId,
    options: { readonly after: ListPosition<SigningKeyId> | undefined; readonly limit: number },
    context: CallContext,
  ): Promise<ListPage<SigningKey>>;
}

export interface AuditStore {
  /** Writes events that belong to no change, such as refusals. */
  append(entries: readonly AuditEntry[], context: CallContext): Promise<void>;

  /** A tenant's events, newest first. */
  list(
    filter: {
      readonly tenantId: TenantId;
      /** Empty: any. */
      readonly resourceId: string;
      /** Empty: any. */
      readonly actingActorId: string;
      /** Only events with smaller ids. */
      readonly before: bigint | undefined;
      readonly limit: number;
    },
    context: CallContext,
  ): Promise<{ readonly items: readonly AuditEvent[]; readonly more: boolean }>;
}

/** The deletions that a sweep consists of. Each deletes at most `limit` rows and says how many. */
export interface SweepStore {
  /**
   * Runs `work` unless another sweep is at work in any process; the lock goes with the process.
   * Undefined if it was not run.
   */
  exclusively<T>(work: () => Promise<T>, context: CallContext): Promise<T | undefined>;

  /** Sessions whose absolute deadline passed at least `historyMs` ago, so that none is live. */
  deleteEndedSessions(historyMs: number, limit: number, context: CallContext): Promise<number>;

  /** Pre-login sessions past their absolute deadline. */
  deletePreLoginSessions(limit: number, context: CallContext): Promise<number>;

  /** Keys that were retired at least `retentionMs` ago and that no session refers to. */
  deleteSigningKeys(retentionMs: number, limit: number, context: CallContext): Promise<number>;

  /** Audit events at least `retentionMs` old. */
  deleteAuditEvents(retentionMs: number, limit: number, context: CallContext): Promise<number>;
}
