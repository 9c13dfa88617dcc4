import { type Instant, wholeSeconds } from "./clock.ts";
import { findCookie } from "./cookie-header.ts";
import type { Session } from "./session.ts";
import type { ReplacedSession } from "./session-store.ts";
import type { SetCookie, SetCookieFactory } from "./set-cookie.ts";

/** A session that a call has created, with its credentials. */
export interface SessionCredentials {
  readonly session: Session;
  readonly now: Instant;
  /** The value of the session cookie. */
  readonly cookie: string;
  readonly csrfToken: string;
}

export interface SessionWithCredentials extends SessionCredentials {
  readonly replaced: ReplacedSession | undefined;
}

/**
 * Decides which cookies a call sets or clears in the browser. If the call named the session with the
 * whole Cookie header, it covers all of the browser's cookies. So the cookie of the other kind (login
 * or pre-login) is cleared, too.
 */
export class BrowserCookies {
  readonly #factory: SetCookieFactory;

  constructor(factory: SetCookieFactory) {
    this.#factory = factory;
  }

  /**
   * After Create.
   *
   * @param replacesHeader whether `replaces` was a Cookie header
   */
  created(
    { replaced, ...created }: SessionWithCredentials,
    replacesHeader: boolean,
  ): readonly SetCookie[] {
    const { session } = created;
    const cookies = this.#both(created);
    const replacesOtherKind = replaced !== undefined && replaced.preLogin !== session.preLogin;
    if (replacesHeader || replacesOtherKind) {
      cookies.push(this.#factory.clearSession(!session.preLogin));
    }
    return cookies;
  }

  /**
   * After Revoke.
   *
   * @param byHeader whether the session was named with a Cookie header
   */
  revoked({ preLogin }: Session, byHeader: boolean): readonly SetCookie[] {
    const cookies = [this.#factory.clearSession(preLogin), this.#factory.clearCsrf()];
    if (byHeader) cookies.push(this.#factory.clearSession(!preLogin));
    return cookies;
  }

  /**
   * For a request whose login session has ended. If it has a pre-login cookie too, the CSRF cookie stays,
   * since it may belong to that.
   *
   * @param header the request's whole Cookie header
   */
  ended(header: string): readonly SetCookie[] {
    const session = this.#factory.clearSession(false);
    const isLoggingIn = findCookie(header, this.#factory.preLoginName) !== undefined;
    return isLoggingIn ? [session] : [session, this.#factory.clearCsrf()];
  }

  /** After RotateSession. */
  rotated(rotated: SessionCredentials): readonly SetCookie[] {
    return this.#both(rotated);
  }

  /** After RotateCsrf. */
  csrfRotated(session: Session, now: Instant, csrfToken: string): SetCookie {
    return this.#factory.csrf(csrfToken, wholeSeconds(session.absoluteExpiresAt - now));
  }

  #both({ session, now, cookie, csrfToken }: SessionCredentials): SetCookie[] {
    const maxAge = wholeSeconds(session.absoluteExpiresAt - now);
    return [
      this.#factory.session(cookie, maxAge, session.preLogin),
      this.#factory.csrf(csrfToken, maxAge),
    ];
  }
}
