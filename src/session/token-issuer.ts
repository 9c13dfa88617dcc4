import { authenticatedAt } from "./authentication.ts";
import type { CallContext } from "./call-context.ts";
import { type Instant, wholeSeconds } from "./clock.ts";
import type { TokenPolicy } from "./policy.ts";
import { idleExpiresAt, type Session } from "./session.ts";
import type { TokenKeyRing } from "./token-key-ring.ts";

/** A token takes about half a kilobyte, and 2 KB if the ids are as long as they may be. */
const MAX_CACHED_TOKENS = 10_000;
/** Nobody can use a token that expires sooner than this. */
const MIN_LIFETIME_MS = 1000;

/** The media type, so that no other JWT of the same issuer is taken for one of these (RFC 8725, 3.11). */
export const TOKEN_TYPE = "sessiond+jwt";

export interface TokenRequest {
  /** It is live at `now`, and not a pre-login session. */
  readonly session: Session;
  readonly now: Instant;
  /** One that the policy has. */
  readonly audience: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresAt: Instant;
}

interface CachedToken {
  readonly expiresAt: Instant;
  readonly token: Promise<string>;
}

export interface TokenIssuerDependencies {
  readonly ring: TokenKeyRing;
  readonly policy: TokenPolicy;
  /** Called for each token that is handed out, with whether it was handed out before. */
  readonly onIssued?: ((cached: boolean) => void) | undefined;
}

/**
 * Issues tokens that tell an upstream whose session it is. An upstream verifies them by itself, so a
 * revocation does not reach a token that is out: it is valid for its lifetime.
 *
 * Signing takes longer than the rest of a Validate. So a token is handed out again for the same session,
 * while it is valid for at least half as long as a new one. A token is only handed out for a session that has just been
 * read.
 */
export class TokenIssuer {
  readonly #deps: TokenIssuerDependencies;
  readonly #cache = new Map<string, CachedToken>();

  constructor(dependencies: TokenIssuerDependencies) {
    this.#deps = dependencies;
  }

  /** For whom tokens may be asked for. */
  get audiences(): readonly string[] {
    return this.#deps.policy.audiences;
  }

  /**
   * Undefined if the session ends within a second.
   *
   * @throws {SessionError} STORAGE_UNAVAILABLE if there is no key to sign with
   */
  async issue(
    { session, now, audience }: TokenRequest,
    context: CallContext,
  ): Promise<IssuedToken | undefined> {
    const { ring, policy } = this.#deps;
    const { lifetimeMs } = policy;
    const end = Math.min(now + lifetimeMs, idleExpiresAt(session), session.absoluteExpiresAt);
    const expiresAt = wholeSeconds(end) * 1000;
    if (expiresAt - now < MIN_LIFETIME_MS) return undefined;

    const { id: kid, signing } = await ring.signingKey(now, lifetimeMs, context);
    const facts = claimsOf(session);
    const cacheKey = JSON.stringify([kid, audience, facts]);
    const known = this.#cache.get(cacheKey);
    const cached = known !== undefined && isReusable(known, now, expiresAt);
    if (cached) return this.#handOut(known, cached);
    const times = { iat: wholeSeconds(now), exp: wholeSeconds(expiresAt) };
    const claims = { iss: policy.issuer, aud: audience, ...times, ...facts };
    const token = signing.sign({ typ: TOKEN_TYPE, kid }, claims);
    return this.#handOut(this.#keep(cacheKey, { expiresAt, token }), cached);
  }

  async #handOut({ token, expiresAt }: CachedToken, cached: boolean): Promise<IssuedToken> {
    const issued = { token: await token, expiresAt };
    this.#deps.onIssued?.(cached);
    return issued;
  }

  #keep(key: string, token: CachedToken): CachedToken {
    this.#cache.delete(key);
    this.#cache.set(key, token);
    if (this.#cache.size <= MAX_CACHED_TOKENS) return token;
    // A Map iterates in insertion order, so this is the oldest entry.
    const [oldest] = this.#cache.keys();
    this.#cache.delete(oldest as string);
    return token;
  }
}

/** What is said of the session. `sub` names the user together with `tenant_id` and `actor_type`. */
function claimsOf(session: Session) {
  const authenticated = authenticatedAt(session);
  return {
    sub: session.actorId,
    sid: session.id,
    tenant_id: session.tenantId,
    actor_type: session.actorType,
    auth_level: session.authLevel,
    ...(session.authMethods.length > 0 && { amr: session.authMethods }),
    ...(authenticated !== undefined && { auth_time: wholeSeconds(authenticated) }),
  };
}

/** Whether it is valid for at least half as long as a new token, which would expire at `expiresAt`. */
function isReusable(token: CachedToken, now: Instant, expiresAt: Instant): boolean {
  const leftMs = token.expiresAt - now;
  const enoughMs = Math.max((expiresAt - now) / 2, MIN_LIFETIME_MS);
  return token.expiresAt <= expiresAt && leftMs >= enoughMs;
}
