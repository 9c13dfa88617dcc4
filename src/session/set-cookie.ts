import type { CookiePolicy, SameSite } from "./policy.ts";

/** A cookie to set in the browser, or to clear. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  readonly maxAgeSeconds: number;
  readonly path: "/";
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: SameSite;
  /** The whole value of a Set-Cookie header. */
  readonly header: string;
}

const sameSiteAttribute: Record<SameSite, string> = { strict: "Strict", lax: "Lax", none: "None" };

/** The names of the cookies, with the prefix. */
export interface CookieNames {
  readonly sessionName: string;
  readonly preLoginName: string;
  readonly csrfName: string;
}

/** Makes cookies with the names and attributes of the policy. */
export class SetCookieFactory implements CookieNames {
  readonly sessionName: string;
  readonly preLoginName: string;
  readonly csrfName: string;
  readonly #policy: CookiePolicy;

  constructor(policy: CookiePolicy) {
    this.#policy = policy;
    const prefix = policy.secure ? "__Host-" : "";
    this.sessionName = prefix + policy.sessionName;
    this.preLoginName = prefix + policy.preLoginName;
    this.csrfName = prefix + policy.csrfName;
  }

  session(value: string, maxAgeSeconds: number, preLogin: boolean): SetCookie {
    return this.#make(preLogin ? this.preLoginName : this.sessionName, value, maxAgeSeconds, true);
  }

  /** Not HttpOnly: scripts read the token and send it in a header. */
  csrf(token: string, maxAgeSeconds: number): SetCookie {
    return this.#make(this.csrfName, token, maxAgeSeconds, false);
  }

  clearSession(preLogin: boolean): SetCookie {
    return this.session("", 0, preLogin);
  }

  clearCsrf(): SetCookie {
    return this.csrf("", 0);
  }

  #make(name: string, value: string, maxAgeSeconds: number, httpOnly: boolean): SetCookie {
    const { secure, sameSite } = this.#policy;
    const attributes = [
      `${name}=${value}`,
      "Path=/",
      `Max-Age=${maxAgeSeconds}`,
      `SameSite=${sameSiteAttribute[sameSite]}`,
    ];
    if (httpOnly) attributes.push("HttpOnly");
    if (secure) attributes.push("Secure");
    const header = attributes.join("; ");
    return { name, value, maxAgeSeconds, path: "/", secure, httpOnly, sameSite, header };
  }
}
