import { checkedRequirement, needsStepUp } from "./authentication.ts";
import type { Authenticator } from "./authenticator.ts";
import type { BrowserCookies } from "./browser-cookies.ts";
import type { CallContext } from "./call-context.ts";
import type {
  ListCommand,
  RevokeAllForActorCommand,
  RevokeCommand,
  SessionRefInput,
  UpdateMetadataCommand,
  ValidateCommand,
  ValidateCsrfCommand,
} from "./commands.ts";
import { csrfTokenMatches, isSafeMethod } from "./csrf.ts";
import type { Denials } from "./denials.ts";
import { invalidRequest, SessionError } from "./errors.ts";
import { isSessionId, type SessionId } from "./ids.ts";
import * as input from "./input.ts";
import type { ListPage } from "./list-page.ts";
import { listPosition, nextPageToken, PageTokens, pageSize } from "./pages.ts";
import type { BindingPolicy, TenantPolicy, TimeoutPolicy } from "./policy.ts";
import { type Actor, isTouchDue, ROTATED, type Session, touchIntervalMs } from "./session.ts";
import { checkedIpAddress, checkedMetadata, normalizedUserAgent } from "./session-attributes.ts";
import type { SessionRef } from "./session-ref.ts";
import type { SessionSnapshot, SessionStore } from "./session-store.ts";
import type { SetCookie } from "./set-cookie.ts";
import { tenantAccess } from "./tenant-access.ts";
import type { IssuedToken, TokenIssuer } from "./token-issuer.ts";
import { Violations } from "./violations.ts";

export interface TouchedSession extends SessionSnapshot {
  /** Whether this call wrote lastSeenAt. */
  readonly touched: boolean;
}

export interface ValidatedSession extends TouchedSession {
  /** Undefined if none was asked for, for a pre-login session, and if less than a second is left. */
  readonly token?: IssuedToken | undefined;
}

export interface RevokedSession extends SessionSnapshot {
  /** Whether this call ended the session. */
  readonly revoked: boolean;
  /** Clear the cookies of the session. */
  readonly setCookies: readonly SetCookie[];
}

export interface SessionPage extends ListPage<Session> {
  /** The session that the request named as its own. */
  readonly currentId: SessionId | undefined;
  readonly nextPageToken: string;
}

export interface SessionsDependencies {
  readonly store: SessionStore;
  readonly authenticator: Authenticator;
  readonly denials: Denials;
  readonly browserCookies: BrowserCookies;
  readonly timeouts: TimeoutPolicy;
  readonly bindings: BindingPolicy;
  readonly tenants: TenantPolicy;
  /** Undefined: no tokens are issued. */
  readonly tokens: TokenIssuer | undefined;
}

/** Validates, touches, revokes and lists sessions. The .proto file documents each method. */
export class Sessions {
  readonly #deps: SessionsDependencies;

  constructor(dependencies: SessionsDependencies) {
    this.#deps = dependencies;
  }

  async validate(command: ValidateCommand, context: CallContext): Promise<ValidatedSession> {
    const { authenticator, denials, tenants, tokens } = this.#deps;
    const violations = new Violations(tenantAccess(context, tenants));
    const ipAddress = checkedIpAddress(command.ipAddress, violations);
    const userAgent = normalizedUserAgent(command.userAgent);
    const httpMethod = input.httpMethod(command.httpMethod, violations);
    const ref = input.credentialRef(command, violations);
    const { minAuthLevel, maxAuthAge } = command;
    const requirement = checkedRequirement(minAuthLevel, maxAuthAge, violations);
    const actorType = input.acceptedActorType(command.actorType, violations);
    const audience = input.tokenAudience(command.tokenAudience, tokens?.audiences, violations);
    violations.throwIfAny();
    const snapshot = await authenticator.findLive(ref, context);
    const { session, now } = snapshot;
    this.#assertPreLogin(session, command.acceptPreLogin, context);
    this.#assertBound(session, ipAddress, userAgent, context);
    if (actorType !== "" && session.actorType !== actorType) {
      throw denials.record(session, "ACTOR_TYPE_NOT_ACCEPTED", context);
    }
    const csrfRequired = httpMethod !== undefined && !isSafeMethod(httpMethod);
    if (csrfRequired || command.csrfToken !== undefined) {
      this.#assertCsrf(snapshot, command.csrfToken ?? "", context);
    }
    if (needsStepUp(session, now, requirement)) {
      throw denials.record(session, "STEP_UP_REQUIRED", context);
    }
    const validated = command.touch
      ? this.#touch(ref, snapshot, context)
      : { ...snapshot, touched: false };
    return audience === "" ? validated : this.#withToken(audience, await validated, context);
  }

  async validateCsrf(command: ValidateCsrfCommand, context: CallContext): Promise<SessionSnapshot> {
    const preLogin = command.acceptPreLogin ? "first" : "ignored";
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const ref = input.sessionRef("session", command.session, violations, preLogin);
    violations.throwIfAny();
    const snapshot = await this.#deps.authenticator.findLive(ref, context);
    this.#assertPreLogin(snapshot.session, command.acceptPreLogin, context);
    this.#assertCsrf(snapshot, command.csrfToken, context);
    return snapshot;
  }

  async touch(session: SessionRefInput | undefined, context: CallContext): Promise<TouchedSession> {
    const ref = this.#requiredRef(session, context);
    return this.#touch(ref, await this.#deps.authenticator.findLive(ref, context), context);
  }

  async revoke(command: RevokeCommand, context: CallContext): Promise<RevokedSession> {
    const { authenticator, browserCookies, store } = this.#deps;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const ref = input.sessionRef("session", command.session, violations);
    const reason = input.revokeReason(
      command.reason === "" && ref.kind !== "id" ? "logout" : command.reason,
      violations,
    );
    const actingActorId = input.actingActorIdWith(ref, command.actingActorId, violations);
    violations.throwIfAny();

    const { session } = await authenticator.find(ref, context);
    const revocation = { reason, revokedBy: actingActorId ?? session.actorId };
    const { changed, current } = await authenticator.end(
      ref,
      session,
      ({ id }) => store.revoke(id, revocation, context),
      context,
    );
    if (ref.kind === "id" && !changed && current.session.revokeReason === ROTATED) {
      await store.endGrace(current.session.id, revocation, context);
    }
    return {
      ...current,
      revoked: changed,
      setCookies: browserCookies.revoked(session, ref.kind === "header"),
    };
  }

  async revokeAllForActor(
    command: RevokeAllForActorCommand,
    context: CallContext,
  ): Promise<number> {
    const { authenticator, store } = this.#deps;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const actor = input.actor("actor", command.actor, violations);
    const keepRef = input.optionalSessionRefOf(actor, "keep", command.keep, violations);
    const reason = input.revokeReason(command.reason, violations);
    const revokedBy = input.actingActorId(command.actingActorId, violations);
    violations.throwIfAny();

    const keep =
      keepRef && (await authenticator.findWithin(actor.tenantId, keepRef, context)).session;
    if (keep !== undefined && !isOf(keep, actor)) {
      throw invalidRequest("keep", "must be a session of the actor");
    }
    // Of a session that has ended already, nothing is kept, whatever it was rotated to.
    const kept = keep?.revokedAt === undefined ? keep?.id : undefined;
    return store.revokeAllForActor(actor, kept, { reason, revokedBy }, context);
  }

  async updateMetadata(
    command: UpdateMetadataCommand,
    context: CallContext,
  ): Promise<SessionSnapshot> {
    const { authenticator, store, tenants } = this.#deps;
    const violations = new Violations(tenantAccess(context, tenants));
    const ref = input.sessionRef("session", command.session, violations);
    const metadata = checkedMetadata(command.metadata, violations);
    const etag = input.metadataEtag(command.metadataEtag, violations);
    const actingActorId = input.actingActorIdWith(ref, command.actingActorId, violations);
    violations.throwIfAny();

    const { session } = await authenticator.findLive(ref, context);
    const updatedBy = actingActorId ?? session.actorId;
    const { changed, current } = await authenticator.change(
      ref,
      session,
      ({ id }) => store.updateMetadata(id, metadata, etag, updatedBy, context),
      context,
    );
    if (changed) return current;
    authenticator.assertLive(current, context);
    const isChanged = etag !== "" && etag !== current.session.metadataEtag;
    // Otherwise it is live after all, and nothing was changed: a retry may succeed.
    throw new SessionError(isChanged ? "METADATA_ETAG_MISMATCH" : "STORAGE_UNAVAILABLE");
  }

  async get(session: SessionRefInput | undefined, context: CallContext): Promise<SessionSnapshot> {
    return this.#deps.authenticator.find(this.#requiredRef(session, context), context);
  }

  async list(command: ListCommand, context: CallContext): Promise<SessionPage> {
    const { authenticator, store } = this.#deps;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const actor = input.actor("actor", command.actor, violations);
    const { tenantId, actorType, actorId } = actor;
    const { includeEnded } = command;
    const tokens = new PageTokens("sessions", tenantId, actorType, actorId, includeEnded);
    // A token is one of the actor's list.
    const pageToken = violations.none ? command.pageToken : "";
    const currentRef = input.optionalSessionRefOf(actor, "current", command.current, violations);
    const limit = pageSize(command.pageSize, violations);
    const after = listPosition(tokens.decode(pageToken, violations), isSessionId, violations);
    violations.throwIfAny();

    const current =
      currentRef && (await authenticator.findWithin(actor.tenantId, currentRef, context)).session;

    const page = await store.list(actor, { includeEnded, after, limit }, context);
    return { ...page, currentId: current?.id, nextPageToken: nextPageToken(tokens, page) };
  }

  /** The session of a request that has no other field to check. */
  #requiredRef(session: SessionRefInput | undefined, context: CallContext): SessionRef {
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const ref = input.sessionRef("session", session, violations);
    violations.throwIfAny();
    return ref;
  }

  async #touch(
    ref: SessionRef,
    snapshot: SessionSnapshot,
    context: CallContext,
  ): Promise<TouchedSession> {
    const { authenticator, store, timeouts } = this.#deps;
    const { session, now } = snapshot;
    if (!isTouchDue(session, now, timeouts)) return { ...snapshot, touched: false };
    const touched = await store.touch(session, touchIntervalMs(session, timeouts), context);
    if (touched !== undefined) return { ...touched, touched: true };
    // Between the read and the write, another call has touched the session, or it has ended.
    const current = await authenticator.readAgain(ref, session, context);
    authenticator.assertLive(current, context);
    return { ...current, touched: false };
  }

  async #withToken(
    audience: string,
    validated: TouchedSession,
    context: CallContext,
  ): Promise<ValidatedSession> {
    const { session, now } = validated;
    if (session.preLogin) return validated;
    const token = await this.#deps.tokens?.issue({ session, now, audience }, context);
    return { ...validated, token };
  }

  #assertPreLogin(session: Session, accepted: boolean, context: CallContext): void {
    if (session.preLogin && !accepted) {
      throw this.#deps.denials.record(session, "PRE_LOGIN_NOT_ACCEPTED", context);
    }
  }

  /** A binding denies a changed value. An unknown value is accepted. */
  #assertBound(session: Session, ipAddress: string, userAgent: string, context: CallContext): void {
    const { bindings, denials } = this.#deps;
    const differ = (stored: string, seen: string) =>
      stored !== "" && seen !== "" && stored !== seen;
    if (bindings.ip && differ(session.ipAddress, ipAddress)) {
      throw denials.record(session, "IP_MISMATCH", context, { seen: ipAddress });
    }
    // Older rows have the user agent as the browser sent it.
    if (bindings.userAgent && differ(normalizedUserAgent(session.userAgent), userAgent)) {
      throw denials.record(session, "USER_AGENT_MISMATCH", context, { seen: userAgent });
    }
  }

  /** The cookie of a rotated session comes with that session's token. */
  #assertCsrf(snapshot: SessionSnapshot, token: string, context: CallContext): void {
    const { denials } = this.#deps;
    const { session, predecessor = session } = snapshot;
    if (token.trim() === "") throw denials.record(session, "CSRF_MISSING", context);
    if (!csrfTokenMatches(token, predecessor.csrfTokenHash)) {
      throw denials.record(session, "CSRF_MISMATCH", context);
    }
  }
}

function isOf(session: Session, actor: Actor): boolean {
  return (
    session.tenantId === actor.tenantId &&
    session.actorType === actor.actorType &&
    session.actorId === actor.actorId
  );
}
