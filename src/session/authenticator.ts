import type { CallContext } from "./call-context.ts";
import { isGenuine, parseCookie } from "./cookie.ts";
import { findCookie } from "./cookie-header.ts";
import type { Denials } from "./denials.ts";
import { type Reason, SessionError, UnreadableKeyError } from "./errors.ts";
import type { SessionId, TenantId } from "./ids.ts";
import type { KeyRing } from "./key-ring.ts";
import type { TimeoutPolicy } from "./policy.ts";
import { ROTATED, type Session, stateAt } from "./session.ts";
import type { PreLoginCookie, SessionRef } from "./session-ref.ts";
import type { SessionSnapshot, SessionStore } from "./session-store.ts";
import type { CookieNames } from "./set-cookie.ts";
import { signingKeyStateAt } from "./signing-key.ts";
import { mayAccess } from "./tenant-access.ts";

const reasonOfState = {
  REVOKED: "REVOKED",
  ABSOLUTE_EXPIRED: "EXPIRED_ABSOLUTE",
  IDLE_EXPIRED: "EXPIRED_IDLE",
} as const satisfies Record<string, Reason>;

/** The reasons why no session is found for a reference. */
const notFoundReasons: ReadonlySet<Reason> = new Set([
  "INVALID_COOKIE",
  "SIGNING_KEY_NOT_FOUND",
  "SIGNING_KEY_RETIRED",
  "SESSION_NOT_FOUND",
]);

/**
 * The session, or the error if none was found or its cookie's signing key cannot be decrypted. Throws
 * other failures, such as an outage of the database.
 */
export async function snapshotOrDenial(
  found: Promise<SessionSnapshot>,
): Promise<SessionSnapshot | SessionError> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof UnreadableKeyError) return error;
    if (error instanceof SessionError && notFoundReasons.has(error.reason)) return error;
    throw error;
  }
}

function notFound(ref: SessionRef): SessionError {
  return new SessionError(ref.kind === "id" ? "SESSION_NOT_FOUND" : "INVALID_COOKIE");
}

/** Undefined if the session does not exist for the caller. */
function visible(session: Session | undefined, context: CallContext): Session | undefined {
  return session !== undefined && mayAccess(context, session.tenantId) ? session : undefined;
}

/** Changes the session, or, if it has been rotated, what `readAgain` finds in its place. */
async function changeLatest(
  session: Session,
  change: (session: Session) => Promise<SessionSnapshot | undefined>,
  readAgain: (session: Session) => Promise<SessionSnapshot>,
): Promise<ChangedSession> {
  const changed = await change(session);
  if (changed !== undefined) return { changed: true, current: changed };
  const current = await readAgain(session);
  return current.session.id === session.id
    ? { changed: false, current }
    : changeLatest(current.session, change, readAgain);
}

function isLive(found: SessionSnapshot | SessionError): found is SessionSnapshot {
  return !(found instanceof SessionError) && stateAt(found.session, found.now) === "ACTIVE";
}

export interface ChangedSession {
  readonly changed: boolean;
  readonly current: SessionSnapshot;
}

export interface AuthenticatorDependencies {
  readonly store: SessionStore;
  readonly keyRing: KeyRing;
  readonly timeouts: TimeoutPolicy;
  readonly denials: Denials;
  readonly cookies: CookieNames;
  /** Called for each cookie in sessiond's form that no key of sessiond's has signed. */
  readonly onForged?: (() => void) | undefined;
}

/** Finds the session that a request names. Denies credentials that are forged, unknown or ended. */
export class Authenticator {
  readonly #store: SessionStore;
  readonly #keyRing: KeyRing;
  readonly #timeouts: TimeoutPolicy;
  readonly #denials: Denials;
  readonly #cookies: CookieNames;
  readonly #onForged: () => void;

  constructor(dependencies: AuthenticatorDependencies) {
    const { store, keyRing, timeouts, denials, cookies, onForged = () => {} } = dependencies;
    this.#store = store;
    this.#keyRing = keyRing;
    this.#timeouts = timeouts;
    this.#denials = denials;
    this.#cookies = cookies;
    this.#onForged = onForged;
  }

  /**
   * The named session, live or ended. A cookie of a session that has been rotated names its successor
   * until the grace ends; an id does not.
   *
   * @throws {SessionError} INVALID_COOKIE, SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND or
   * SIGNING_KEY_RETIRED
   */
  find(ref: SessionRef, context: CallContext): Promise<SessionSnapshot> {
    // Without async, since a promise for a promise takes three more turns of the microtask queue.
    switch (ref.kind) {
      case "cookie":
        return this.#findByCookie(ref.cookie, ref.tenantId, context);
      case "header":
        return this.#findByHeader(ref.header, ref.preLogin, ref.tenantId, context);
      case "id":
        return this.#findById(ref.id, ref.tenantId, context);
    }
  }

  /**
   * The named session, which is live.
   *
   * @throws {SessionError} as `find` and `assertLive`
   */
  async findLive(ref: SessionRef, context: CallContext): Promise<SessionSnapshot> {
    const snapshot = await this.find(ref, context);
    this.assertLive(snapshot, context);
    return snapshot;
  }

  /**
   * The named session, live or ended, of this tenant. One of another tenant is not found, also if the
   * reference names that tenant.
   *
   * @throws {SessionError} as `find`
   */
  async findWithin(
    tenantId: TenantId,
    ref: SessionRef,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const snapshot = await this.find(ref, context);
    if (snapshot.session.tenantId !== tenantId) throw notFound(ref);
    return snapshot;
  }

  /**
   * Reads a session again that this call has already found by `ref`, or its successor, as `find` does.
   * The cookie is not verified again: a Cookie header with two cookies could now name another session.
   *
   * @throws {SessionError} SESSION_NOT_FOUND or INVALID_COOKIE
   */
  async readAgain(
    ref: SessionRef,
    session: Session,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const snapshot = await this.#readById(ref, session, context);
    return ref.kind === "id" ? snapshot : this.#followRotation(snapshot, context);
  }

  /**
   * Changes a session that this call has already found by `ref`. If it has been rotated in the meantime,
   * changes its successor, where `find` would have found that.
   *
   * @param change undefined if the session has ended, or must not be changed for another reason
   * @returns `changed`, if there is one, and else the session as it is now
   * @throws {SessionError} as `readAgain`
   */
  async change(
    ref: SessionRef,
    session: Session,
    change: (session: Session) => Promise<SessionSnapshot | undefined>,
    context: CallContext,
  ): Promise<ChangedSession> {
    return changeLatest(session, change, (rotated) => this.readAgain(ref, rotated, context));
  }

  /**
   * Ends a session that this call has already found by `ref`. If it was not revoked then and has been
   * rotated since, ends its successor, also without a grace and also if `ref` is an id: what took its
   * place during the call must not outlive it.
   *
   * @param end undefined if the session has ended
   * @returns `changed`, if this call ended a session, and else the session as it is now
   * @throws {SessionError} as `readAgain`
   */
  async end(
    ref: SessionRef,
    session: Session,
    end: (session: Session) => Promise<SessionSnapshot | undefined>,
    context: CallContext,
  ): Promise<ChangedSession> {
    if (session.revokedAt !== undefined) return this.change(ref, session, end, context);
    return changeLatest(session, end, async (rotated) => {
      const snapshot = await this.#readById(ref, rotated, context);
      return this.#followRotation(snapshot, context, { ignoreGrace: true });
    });
  }

  /**
   * Revocation takes precedence over expiry, and the absolute deadline over the idle deadline.
   *
   * @throws {SessionError} REVOKED, EXPIRED_ABSOLUTE or EXPIRED_IDLE
   */
  assertLive({ session, now }: SessionSnapshot, context: CallContext): void {
    const state = stateAt(session, now);
    if (state !== "ACTIVE") throw this.#denials.record(session, reasonOfState[state], context);
  }

  /**
   * If the header has both cookies, uses the first one whose session is live: an old cookie must not
   * prevent the next login.
   */
  async #findByHeader(
    header: string,
    preLogin: PreLoginCookie,
    tenantId: TenantId | undefined,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const { sessionName, preLoginName } = this.#cookies;
    const names = {
      ignored: [sessionName],
      second: [sessionName, preLoginName],
      first: [preLoginName, sessionName],
    }[preLogin];
    const values = names.map((name) => findCookie(header, name));
    if (values.includes("ambiguous")) throw new SessionError("INVALID_COOKIE");
    const [first = "", second] = values.filter((value) => value !== undefined);
    if (second === undefined) return this.#findByCookie(first, tenantId, context);

    const found = [
      await snapshotOrDenial(this.#findByCookie(first, tenantId, context)),
      await snapshotOrDenial(this.#findByCookie(second, tenantId, context)),
    ];
    // A cookie that cannot be verified may be valid, so it is not denied because of the other one.
    const unverified = found.find((outcome) => outcome instanceof UnreadableKeyError);
    // If neither session is live, report the result for the session cookie.
    const denied = preLogin === "first" ? found[1] : found[0];
    const outcome = found.find(isLive) ?? unverified ?? denied;
    if (outcome === undefined || outcome instanceof SessionError) throw outcome;
    return outcome;
  }

  async #findByCookie(
    value: string,
    tenantId: TenantId | undefined,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const cookie = parseCookie(value);
    if (cookie === undefined) throw new SessionError("INVALID_COOKIE");
    const { signingKeyId } = cookie;
    const key =
      this.#keyRing.cached(signingKeyId, context) ??
      (await this.#keyRing.find(signingKeyId, context));
    if (key === undefined) {
      this.#onForged();
      throw new SessionError("SIGNING_KEY_NOT_FOUND");
    }
    if (!isGenuine(cookie, key)) {
      this.#onForged();
      throw new SessionError("INVALID_COOKIE");
    }

    const found = await this.#store.findByCookie(cookie.sessionId, signingKeyId, context);
    const { now, signingKey } = found;
    if (signingKey === undefined) throw new SessionError("SIGNING_KEY_NOT_FOUND");
    const session = visible(found.session, context);
    // Before other checks, so that a caller learns nothing about another tenant's session.
    if (session !== undefined && tenantId !== undefined && session.tenantId !== tenantId) {
      throw this.#denials.record(session, "INVALID_COOKIE", context);
    }
    if (signingKeyStateAt(signingKey, now, this.#timeouts) === "EXPIRED") {
      throw session === undefined
        ? new SessionError("SIGNING_KEY_RETIRED")
        : this.#denials.record(session, "SIGNING_KEY_RETIRED", context);
    }
    if (session === undefined) throw new SessionError("INVALID_COOKIE");
    return session.revokedAt === undefined
      ? { session, now }
      : this.#followRotation({ session, now }, context);
  }

  /** The successor of a rotated session, within the grace unless that is ignored. Else the session itself. */
  async #followRotation(
    snapshot: SessionSnapshot,
    context: CallContext,
    options = { ignoreGrace: false },
  ): Promise<SessionSnapshot> {
    const { session } = snapshot;
    if (session.revokeReason !== ROTATED) return snapshot;
    const successor = await this.#store.findSuccessor(session.id, options, context);
    return successor === undefined ? snapshot : { ...successor, predecessor: session };
  }

  async #readById(
    ref: SessionRef,
    { id }: Session,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const snapshot = await this.#store.find(id, context);
    if (snapshot === undefined) throw notFound(ref);
    return snapshot;
  }

  async #findById(
    id: SessionId,
    tenantId: TenantId | undefined,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const found = await this.#store.find(id, context);
    const session = visible(found?.session, context);
    const otherTenant = tenantId !== undefined && session?.tenantId !== tenantId;
    if (found === undefined || session === undefined || otherTenant) {
      throw new SessionError("SESSION_NOT_FOUND");
    }
    return found;
  }
}
