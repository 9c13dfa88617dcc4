import { type Instant, wholeMilliseconds } from "./clock.ts";
import { checkedTime, type RequestedTime } from "./requested-time.ts";
import type { RequestedDuration } from "./timeouts.ts";
import type { Violations } from "./violations.ts";

/** The largest number that the database's type has room for. */
const MAX_LEVEL = 2_147_483_647;
const MAX_METHODS = 10;
/** The values of RFC 8176 are shorter; an application may have its own. */
const METHOD = /^[\x21-\x7e]{1,32}$/;

/** How and when a session's user proved who they are. */
export interface Authentication {
  /** The application defines what levels mean; a higher one is stronger. 0: not known. */
  readonly authLevel: number;
  /** Such as `pwd` and `otp`. */
  readonly authMethods: readonly string[];
  /** Undefined before login, and in sessions of versions that did not store it. */
  readonly authenticatedAt: Instant | undefined;
}

/** What tells when the user of a session has authenticated. */
type AuthenticatedSession = Authentication & {
  readonly preLogin: boolean;
  readonly createdAt: Instant;
};

export interface AuthenticationInput {
  readonly authLevel: number;
  readonly authMethods: readonly string[];
  readonly authenticatedAt: RequestedTime | undefined;
}

/** What a call asks of a session's authentication. */
export interface AuthenticationRequirement {
  /** 0: any. */
  readonly minLevel: number;
  /** Undefined: any. */
  readonly maxAgeMs: number | undefined;
}

const NO_AUTHENTICATION: Authentication = {
  authLevel: 0,
  authMethods: [],
  authenticatedAt: undefined,
};

/** The authentication of a new session; `authenticatedAt` may be in the future, or undefined for now. */
export function checkedAuthentication(
  { authLevel, authMethods, authenticatedAt }: AuthenticationInput,
  violations: Violations,
): Authentication {
  return {
    authLevel: checkedLevel(authLevel, violations),
    authMethods: checkedMethods(authMethods, violations),
    authenticatedAt: checkedTime("authenticated_at", authenticatedAt, violations),
  };
}

/** Before login, nobody has authenticated. */
export function preLoginAuthentication(
  { authLevel, authMethods, authenticatedAt }: AuthenticationInput,
  violations: Violations,
): Authentication {
  const set = {
    auth_level: authLevel !== 0,
    auth_methods: authMethods.length > 0,
    authenticated_at: authenticatedAt !== undefined,
  };
  for (const [field, isSet] of Object.entries(set)) {
    if (isSet) violations.add(field, "must not be set for a pre-login session");
  }
  return NO_AUTHENTICATION;
}

export function checkedLevel(level: number, violations: Violations): number {
  if (level > MAX_LEVEL) violations.add("auth_level", `must be at most ${MAX_LEVEL}`);
  return level;
}

export function checkedMethods(
  methods: readonly string[],
  violations: Violations,
): readonly string[] {
  if (methods.length > MAX_METHODS) {
    violations.add("auth_methods", `must be at most ${MAX_METHODS} methods`);
  } else if (!methods.every((method) => METHOD.test(method))) {
    violations.add("auth_methods", "must be 1 to 32 visible ASCII characters each, such as `otp`");
  } else if (new Set(methods).size < methods.length) {
    violations.add("auth_methods", "must be different from each other");
  }
  return methods;
}

export function checkedRequirement(
  minLevel: number,
  maxAge: RequestedDuration | undefined,
  violations: Violations,
): AuthenticationRequirement {
  if (maxAge === undefined) return { minLevel, maxAgeMs: undefined };
  const { seconds, nanos } = maxAge;
  // Rounded down, so that nothing older than requested is accepted.
  const maxAgeMs = wholeMilliseconds(maxAge);
  const isValid = seconds >= 0n && nanos >= 0 && nanos < 1e9 && maxAgeMs >= 1;
  if (!isValid) violations.add("max_auth_age", "must be at least 0.001s");
  return { minLevel, maxAgeMs };
}

/**
 * When the session's user authenticated. A session whose version did not store it was created by a
 * login. Undefined before login.
 */
export function authenticatedAt(session: AuthenticatedSession): Instant | undefined {
  return session.authenticatedAt ?? (session.preLogin ? undefined : session.createdAt);
}

/** Whether the user must authenticate again, or more strongly. At the maximum age itself, not yet. */
export function needsStepUp(
  session: AuthenticatedSession,
  now: Instant,
  { minLevel, maxAgeMs }: AuthenticationRequirement,
): boolean {
  if (session.authLevel < minLevel) return true;
  if (maxAgeMs === undefined) return false;
  const at = authenticatedAt(session);
  return at === undefined || now - at > maxAgeMs;
}
