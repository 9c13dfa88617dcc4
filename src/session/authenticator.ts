import { isGenuine, parseCookie } from "./cookie.ts";
import { type Reason, SessionError } from "./errors.ts";
import type { SessionId, TenantId } from "./ids.ts";
import type { KeyRing } from "./key-ring.ts";
import type { TimeoutPolicy } from "./policy.ts";
import type { CallContext, Read, SessionStore } from "./ports.ts";
import type { Refusals } from "./refusals.ts";
import { stateAt } from "./session.ts";
import { signingKeyStateAt } from "./signing-keys.ts";

/** How a request names a session: by its cookie, which is verified, or by its id. */
export type SessionRef = (
  | { readonly kind: "cookie"; readonly cookie: string }
  | { readonly kind: "id"; readonly id: SessionId }
) & {
  /** If set, sessions of other tenants are as good as absent. */
  readonly tenantId: TenantId | undefined;
};

const reasonOfState = {
  REVOKED: "REVOKED",
  ABSOLUTE_EXPIRED: "EXPIRED_ABSOLUTE",
  IDLE_EXPIRED: "EXPIRED_IDLE",
} as const satisfies Record<string, Reason>;

/** Finds the session that a request names and refuses what is not genuine or has ended. */
export class Authenticator {
  readonly #store: SessionStore;
  readonly #keyRing: KeyRing;
  readonly #timeouts: TimeoutPolicy;
  readonly #refusals: Refusals;

  constructor(store: SessionStore, keyRing: KeyRing, timeouts: TimeoutPolicy, refusals: Refusals) {
    this.#store = store;
    this.#keyRing = keyRing;
    this.#timeouts = timeouts;
    this.#refusals = refusals;
  }

  /** The named session, live or ended. */
  async find(ref: SessionRef, context: CallContext): Promise<Read> {
    return ref.kind === "cookie"
      ? this.#findByCookie(ref.cookie, ref.tenantId, context)
      : this.#findById(ref.id, ref.tenantId, context);
  }

  /** The named session, which is live. */
  async findLive(ref: SessionRef, context: CallContext): Promise<Read> {
    const read = await this.find(ref, context);
    this.assertLive(read, context);
    return read;
  }

  /** Revocation wins over expiry, and the absolute deadline over the idle one. */
  assertLive({ session, now }: Read, context: CallContext): void {
    const state = stateAt(session, now);
    if (state !== "ACTIVE") throw this.#refusals.of(session, reasonOfState[state], context);
  }

  async #findByCookie(
    value: string,
    tenantId: TenantId | undefined,
    context: CallContext,
  ): Promise<Read> {
    const cookie = parseCookie(value);
    if (cookie === undefined) throw new SessionError("INVALID_COOKIE");
    const key = await this.#keyRing.find(cookie.signingKeyId, context);
    if (key === undefined) throw new SessionError("SIGNING_KEY_NOT_FOUND");
    if (!isGenuine(cookie, key)) throw new SessionError("INVALID_COOKIE");

    const { now, signingKey, session } = await this.#store.findByCookie(
      cookie.sessionId,
      cookie.signingKeyId,
      context,
    );
    if (signingKey === undefined) throw new SessionError("SIGNING_KEY_NOT_FOUND");
    if (signingKeyStateAt(signingKey, now, this.#timeouts) === "EXPIRED") {
      throw session === undefined
        ? new SessionError("SIGNING_KEY_RETIRED")
        : this.#refusals.of(session, "SIGNING_KEY_RETIRED", context);
    }
    if (session === undefined) throw new SessionError("INVALID_COOKIE");
    if (tenantId !== undefined && session.tenantId !== tenantId) {
      throw this.#refusals.of(session, "INVALID_COOKIE", context);
    }
    return { session, now };
  }

  async #findById(
    id: SessionId,
    tenantId: TenantId | undefined,
    context: CallContext,
  ): Promise<Read> {
    const read = await this.#store.find(id, context);
    if (read === undefined || (tenantId !== undefined && read.session.tenantId !== tenantId)) {
      throw new SessionError("SESSION_NOT_FOUND");
    }
    return read;
  }
}
