import type { Authentication } from "./authentication.ts";
import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { SessionId, SigningKeyId } from "./ids.ts";
import type { ListPage, ListPosition } from "./list-page.ts";
import type { SessionLimit } from "./policy.ts";
import type { Actor, Session } from "./session.ts";
import type { SessionAttributes } from "./session-attributes.ts";
import type { SessionFilter } from "./session-filter.ts";

/** A session as it was in the database at `now`. */
export interface SessionSnapshot {
  readonly session: Session;
  readonly now: Instant;
  /** The session whose cookie named this one, if it has been rotated into it and its grace lasts. */
  readonly predecessor?: Session;
}

export interface CookieLookup {
  /** 0 if the key does not exist. */
  readonly now: Instant;
  /** Undefined if the key does not exist. */
  readonly signingKey: { readonly retiredAt: Instant | undefined } | undefined;
  /** Undefined if the session does not exist, or if it has another signing key. */
  readonly session: Session | undefined;
}

/** `authenticatedAt` is stored as now if it is undefined or later, and not at all before login. */
export interface NewSession extends Actor, SessionAttributes, Authentication {
  readonly id: SessionId;
  readonly preLogin: boolean;
  readonly idleTimeoutMs: number;
  readonly absoluteTimeoutMs: number;
  readonly csrfTokenHash: Buffer;
  readonly signingKeyId: SigningKeyId;
}

export interface ReplacedSession {
  readonly id: SessionId;
  readonly preLogin: boolean;
}

/** What an actor at the session limit has already. */
export interface LimitReached {
  /** The maximum number of live sessions. */
  readonly limit: number;
  /** The number of the actor's live sessions, without the one that Create would have replaced. */
  readonly total: number;
  /** The oldest of them, oldest first, at most 10. */
  readonly oldest: readonly Session[];
}

/** Nothing was stored: the signing key is not, or not any more, the tenant's active one. */
export interface KeyNotActive {
  readonly kind: "key_not_active";
}

export type CreateOutcome =
  | {
      readonly kind: "created";
      readonly session: Session;
      readonly now: Instant;
      /** The session of `replaces`, if it was live and of this tenant, and was revoked by this call. */
      readonly replaced: ReplacedSession | undefined;
    }
  /** Nothing was stored: the session of `replaces` has been rotated into this one. */
  | { readonly kind: "replaced_was_rotated"; readonly successorId: SessionId }
  | KeyNotActive
  /** Nothing was stored: the actor is at the session limit, and the policy is `reject`. */
  | ({ readonly kind: "limit_reached" } & LimitReached);

export interface Revocation {
  readonly reason: string;
  readonly revokedBy: string;
}

export interface Rotation {
  /** The session's actor. */
  readonly actor: Actor;
  readonly newId: SessionId;
  /** Of the new session. */
  readonly signingKeyId: SigningKeyId;
  readonly csrfTokenHash: Buffer;
  /** Undefined: as it was. A time later than now is stored as now. */
  readonly authentication: {
    readonly [Name in keyof Authentication]: Authentication[Name] | undefined;
  };
  /** How long the old session's cookie stands for the new session. */
  readonly graceMs: number;
  readonly rotatedBy: string;
}

export type RotateOutcome =
  | { readonly kind: "rotated"; readonly session: Session; readonly now: Instant }
  /** Nothing was changed: the session has ended or does not exist. */
  | { readonly kind: "ended" }
  | KeyNotActive;

export interface SearchOptions {
  /** Which ended sessions are found besides the live ones; those that were rotated since then, or: */
  readonly ended: "all" | "none" | { readonly rotatedSince: Instant };
  /** Only sessions with ids below this one. Undefined: all. */
  readonly before: SessionId | undefined;
  /** The maximum number of sessions to return. */
  readonly limit: number;
}

export interface FoundSessions {
  readonly now: Instant;
  /** The newest id first. */
  readonly items: readonly Session[];
  /**
   * The search goes on below this id, which need not be that of a session. Undefined: there are no
   * sessions below.
   */
  readonly searchedTo: SessionId | undefined;
}

/** The storage of sessions. CallContext states what all stores have in common. */
export interface SessionStore {
  /** Reads the signing key and the session of a cookie in one statement. */
  findByCookie(
    id: SessionId,
    signingKeyId: SigningKeyId,
    context: CallContext,
  ): Promise<CookieLookup>;

  /** Undefined if the session does not exist. */
  find(id: SessionId, context: CallContext): Promise<SessionSnapshot | undefined>;

  /**
   * Stores a session, if its signing key is the tenant's active one, and revokes the session that it
   * replaces. At the limit, it also revokes the actor's oldest sessions. All of this is one
   * transaction. Even with concurrent calls, an actor never has more live sessions than the limit;
   * pre-login sessions do not count.
   */
  create(
    session: NewSession,
    replaces: SessionId | undefined,
    limit: SessionLimit,
    context: CallContext,
  ): Promise<CreateOutcome>;

  /**
   * Sets lastSeenAt to now; never moves it back. Undefined, with nothing changed, if the session does
   * not exist, has ended, or was touched less than `intervalMs` ago. Of concurrent calls, one writes.
   *
   * @param session as it was read. The result is the session as it is now, except for csrfTokenHash, which
   * is still that of the session that was read.
   */
  touch(
    session: Session,
    intervalMs: number,
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

  /** Undefined, with nothing changed, if the session does not exist or has ended. */
  revoke(
    id: SessionId,
    revocation: Revocation,
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

  /**
   * Revokes all live sessions of an actor except `keep`, or its successor if it was rotated; returns how
   * many. No other session that was live when the call began has a live successor afterwards.
   */
  revokeAllForActor(
    actor: Actor,
    keep: SessionId | undefined,
    revocation: Revocation,
    context: CallContext,
  ): Promise<number>;

  /**
   * Stores a session that takes the place of this one, if its signing key is the tenant's active one,
   * and revokes this one, in one transaction. Of concurrent calls, one succeeds. A concurrent
   * revokeAllForActor revokes the new session if this one was live when it began, and the session limit
   * counts exactly one of the two.
   */
  rotate(id: SessionId, rotation: Rotation, context: CallContext): Promise<RotateOutcome>;

  /**
   * The session, live or ended, into which this one was rotated; if that was rotated as well, the last
   * one that can be reached within the graces, but at most eight rotations on. Undefined if this one
   * was not rotated, or its grace has ended.
   *
   * @param ignoreGrace whether to follow also rotations whose grace has ended or that had none
   */
  findSuccessor(
    id: SessionId,
    options: { readonly ignoreGrace: boolean },
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

  /** Ends the grace of a session that has been rotated. Changes nothing if it has none, or that has ended. */
  endGrace(id: SessionId, revocation: Revocation, context: CallContext): Promise<void>;

  /** Undefined, with nothing changed, if the session does not exist or has ended. */
  rotateCsrf(
    id: SessionId,
    hash: Buffer,
    actingActorId: string,
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

  /**
   * Stores a new hash, made by `mint`, in each of an actor's live sessions. Undefined, with nothing
   * changed, if there are more than `max`.
   */
  rotateCsrfForActor(
    actor: Actor,
    max: number,
    mint: (id: SessionId) => Buffer,
    actingActorId: string,
    context: CallContext,
  ): Promise<readonly SessionSnapshot[] | undefined>;

  /**
   * Replaces the metadata and changes its etag. Undefined, with nothing changed, if the session does
   * not exist or has ended, or if its etag is another one.
   *
   * @param etag empty: any
   */
  updateMetadata(
    id: SessionId,
    metadata: Readonly<Record<string, string>>,
    etag: string,
    actingActorId: string,
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

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

  /**
   * Sessions of any actor, the newest id first. One call reads at most 5000 rows, so it may find none
   * although there are some further on.
   */
  search(
    filter: SessionFilter,
    options: SearchOptions,
    context: CallContext,
  ): Promise<FoundSessions>;
}
