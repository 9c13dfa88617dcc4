import { checkedLevel, checkedMethods } from "./authentication.ts";
import type { Authenticator } from "./authenticator.ts";
import type { BrowserCookies, SessionCredentials } from "./browser-cookies.ts";
import type { CallContext } from "./call-context.ts";
import { wholeMilliseconds } from "./clock.ts";
import type { RotateSessionCommand } from "./commands.ts";
import { signCookie } from "./cookie.ts";
import type { CookieSigner } from "./cookie-signer.ts";
import { mintCsrfToken } from "./csrf.ts";
import type { Denials } from "./denials.ts";
import { SessionError } from "./errors.ts";
import { mintSessionId, type RandomBytes, type SessionId } from "./ids.ts";
import * as input from "./input.ts";
import type { TenantPolicy, TimeoutPolicy } from "./policy.ts";
import { checkedTime } from "./requested-time.ts";
import type { SessionSnapshot, SessionStore } from "./session-store.ts";
import type { SetCookie } from "./set-cookie.ts";
import { tenantAccess } from "./tenant-access.ts";
import type { RequestedDuration } from "./timeouts.ts";
import { Violations } from "./violations.ts";

export interface RotatedSession extends SessionCredentials {
  readonly setCookies: readonly SetCookie[];
  readonly previousId: SessionId;
}

export interface SessionRotationDependencies {
  readonly store: SessionStore;
  readonly cookieSigner: CookieSigner;
  readonly authenticator: Authenticator;
  readonly denials: Denials;
  readonly browserCookies: BrowserCookies;
  readonly timeouts: TimeoutPolicy;
  readonly tenants: TenantPolicy;
  readonly random: RandomBytes;
  /** Milliseconds since the Unix epoch. Only for the order of new ids: no rule depends on it. */
  readonly wallClock: () => number;
}

/** Replaces a live session by a successor with a new id, cookie and CSRF token. */
export class SessionRotation {
  readonly #deps: SessionRotationDependencies;

  constructor(dependencies: SessionRotationDependencies) {
    this.#deps = dependencies;
  }

  async rotate(command: RotateSessionCommand, context: CallContext): Promise<RotatedSession> {
    const { store, cookieSigner, authenticator, denials, browserCookies, timeouts } = this.#deps;
    const { random, wallClock } = this.#deps;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const ref = input.sessionRef("session", command.session, violations, "ignored");
    const graceMs = checkedGrace(command.grace, timeouts.maxRotationGraceMs, violations);
    const { authLevel, authMethods, authenticatedAt } = command;
    const authentication = {
      authLevel: authLevel === undefined ? undefined : checkedLevel(authLevel, violations),
      authMethods: authMethods.length === 0 ? undefined : checkedMethods(authMethods, violations),
      authenticatedAt: checkedTime("authenticated_at", authenticatedAt, violations),
    };
    const actingActorId = input.actingActorIdWith(ref, command.actingActorId, violations);
    violations.throwIfAny();

    const found = await authenticator.findLive(ref, context);
    this.#assertNotRotated(found, context);
    const { session } = found;
    if (session.preLogin) throw denials.record(session, "PRE_LOGIN_NOT_ACCEPTED", context);

    const csrf = mintCsrfToken(random);
    const rotation = {
      actor: session,
      newId: mintSessionId(random, wallClock()),
      csrfTokenHash: csrf.hash,
      authentication,
      graceMs,
      rotatedBy: actingActorId ?? session.actorId,
    };
    const { outcome, key } = await cookieSigner.storeSigned(
      session.tenantId,
      (signingKeyId) => store.rotate(session.id, { ...rotation, signingKeyId }, context),
      context,
    );
    if (outcome.kind === "ended") {
      const current = await authenticator.readAgain(ref, session, context);
      authenticator.assertLive(current, context);
      this.#assertNotRotated(current, context);
      // It is live after all, and nothing was changed: a retry may succeed.
      throw new SessionError("STORAGE_UNAVAILABLE");
    }
    const { id, signingKeyId } = outcome.session;
    const cookie = signCookie(id, signingKeyId, key);
    const withCredentials = { ...outcome, cookie, csrfToken: csrf.token };
    const setCookies = browserCookies.rotated(withCredentials);
    return { ...withCredentials, setCookies, previousId: session.id };
  }

  /**
   * Unlike other calls, a rotation does not follow another one: of two at once, one must win, so that
   * the browser does not keep the cookie of the one that was rotated again.
   */
  #assertNotRotated({ predecessor }: SessionSnapshot, context: CallContext): void {
    if (predecessor !== undefined) {
      throw this.#deps.denials.record(predecessor, "REVOKED", context);
    }
  }
}

/** Rounded down to milliseconds. Without one, the old cookie ends at once. */
function checkedGrace(
  requested: RequestedDuration | undefined,
  maxMs: number,
  violations: Violations,
): number {
  if (requested === undefined) return 0;
  const ms = wholeMilliseconds(requested);
  const { seconds, nanos } = requested;
  const isValid = seconds >= 0n && nanos >= 0 && nanos < 1e9 && ms <= maxMs;
  if (!isValid) violations.add("grace", `must be from 0s to ${maxMs / 1000}s`);
  return ms;
}
