import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { SessionId, SigningKeyId } from "./ids.ts";
import type { ListPage, ListPosition } from "./list-page.ts";
import type { SessionLimit } from "./policy.ts";
import type { Actor, Session } from "./session.ts";
import type { SessionAttributes } from "./session-attributes.ts";

/** A session as it was at `now`. */
export interface SessionSnapshot {
  readonly session: Session;
  readonly now: Instant;
}

export interface CookieLookup {
  /** 0 where there is nothing to judge by it: the key does not exist. */
  readonly now: Instant;
  /** Undefined if the key does not exist. */
  readonly signingKey: { readonly retiredAt: Instant | undefined } | undefined;
  /** Undefined if there is no such session, or another key signed its cookie. */
  readonly session: Session | undefined;
}

export interface NewSession extends Actor, SessionAttributes {
  readonly id: SessionId;
  readonly preLogin: boolean;
  readonly idleTimeoutMs: number;
  readonly absoluteTimeoutMs: number;
  readonly csrfTokenHash: Buffer;
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

export interface SessionStore {
  /** One read of a cookie's signing key and session, both as of now. */
  findByCookie(
    id: SessionId,
    signingKeyId: SigningKeyId,
    context: CallContext,
  ): Promise<CookieLookup>;

  /** Undefined if there is no such session. */
  find(id: SessionId, context: CallContext): Promise<SessionSnapshot | undefined>;

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
  touch(
    id: SessionId,
    intervalMs: number,
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

  /** Undefined, with nothing changed, if the session is absent or has ended. */
  revoke(
    id: SessionId,
    revocation: Revocation,
    context: CallContext,
  ): Promise<SessionSnapshot | undefined>;

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
  ): Promise<SessionSnapshot | undefined>;

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
  ): Promise<readonly SessionSnapshot[] | undefined>;

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
