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
  readonly #session: Make;
  readonly #preLogin: Make;
  readonly #csrf: Make;

  constructor(policy: CookiePolicy) {
    const prefix = policy.secure ? "__Host-" : "";
    this.sessionName = prefix + policy.sessionName;
    this.preLoginName = prefix + policy.preLoginName;
    this.csrfName = prefix + policy.csrfName;
    this.#session = maker(this.sessionName, policy, true);
    this.#preLogin = maker(this.preLoginName, policy, true);
    this.#csrf = maker(this.csrfName, policy, false);
  }

  session(value: string, maxAgeSeconds: number, preLogin: boolean): SetCookie {
    return (preLogin ? this.#preLogin : this.#session)(value, maxAgeSeconds);
  }

  /** Not HttpOnly: scripts read the token and send it in a header. */
  csrf(token: string, maxAgeSeconds: number): SetCookie {
    return this.#csrf(token, maxAgeSeconds);
  }

  clearSession(preLogin: boolean): SetCookie {
    return this.session("", 0, preLogin);
  }

  clearCsrf(): SetCookie {
    return this.csrf("", 0);
  }
}

type Make = (value: string, maxAgeSeconds: number) => SetCookie;

/** What is the same for all cookies with a name is put together once. */
function maker(name: string, { secure, sameSite }: CookiePolicy, httpOnly: boolean): Make {
  const attributes =
    `; SameSite=${sameSiteAttribute[sameSite]}` +
    (httpOnly ? "; HttpOnly" : "") +
    (secure ? "; Secure" : "");
  return (value, maxAgeSeconds) => ({
    name,
    value,
    maxAgeSeconds,
    path: "/",
    secure,
    httpOnly,
    sameSite,
    header: `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}${attributes}`,
  });
}
