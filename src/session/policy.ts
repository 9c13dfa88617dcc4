/**
 * What an operator can configure about sessions. All durations are in milliseconds; those of sessions
 * are whole seconds.
 */

import type { TokenAlgorithm } from "./token-key.ts";

export interface TimeoutPolicy {
  /** A session expires after this time without activity (ASVS 7.3.1). */
  readonly idleMs: number;
  /** A session expires this long after it was created, regardless of activity (ASVS 7.3.2). */
  readonly absoluteMs: number;
  /** The longest idle timeout that Create may ask for. At least `idleMs`. */
  readonly maxIdleMs: number;
  /** The longest absolute timeout that Create may ask for. At least `absoluteMs`. */
  readonly maxAbsoluteMs: number;
  /** The absolute timeout of a pre-login session. */
  readonly preLoginMs: number;
  /** Touch writes only if the last write is at least this old. 0: it always writes. */
  readonly touchIntervalMs: number;
  /** The expiry warning is set if at most this time is left until the idle deadline. */
  readonly idleWarningMs: number;
  /** The expiry warning is set if at most this time is left until the absolute deadline. */
  readonly absoluteWarningMs: number;
  /** A retired signing key verifies cookies for this long. At least `maxAbsoluteMs`. */
  readonly keyRetentionMs: number;
  /** The longest time that RotateSession may let the old cookie stand for the new session. */
  readonly maxRotationGraceMs: number;
}

export type SameSite = "strict" | "lax" | "none";

export interface CookiePolicy {
  /**
   * Whether browsers reach the application over TLS. If so, cookies are Secure and their names
   * have the `__Host-` prefix (RFC 6265bis, section 4.1.3.2).
   */
  readonly secure: boolean;
  readonly sameSite: SameSite;
  /** Without the prefix, as the other names. */
  readonly sessionName: string;
  readonly preLoginName: string;
  readonly csrfName: string;
}

export interface BindingPolicy {
  /** Deny a session if the browser's address is known and has changed. */
  readonly ip: boolean;
  /** Deny a session if the browser's user agent is known and has changed. */
  readonly userAgent: boolean;
}

export type SessionLimitPolicy = "evict_oldest" | "reject";

export interface SessionLimit {
  /** The maximum number of live sessions of an actor (ASVS 7.1.2). 0: no limit. */
  readonly maxPerActor: number;
  /** Whether a Create at the limit revokes the oldest session or fails. */
  readonly policy: SessionLimitPolicy;
}

export interface TenantPolicy {
  /** Whether a caller of all tenants must name one in each request. */
  readonly required: boolean;
}

export interface TokenKeyPolicy {
  /** Of keys that are made from now on. */
  readonly algorithm: TokenAlgorithm;
  /** A new key is published for this long before it signs. */
  readonly publishDelayMs: number;
}

export interface TokenPolicy {
  /** The claim `iss`. */
  readonly issuer: string;
  /** For whom tokens may be asked for: the claim `aud`. */
  readonly audiences: readonly string[];
  /** How long a token is valid, at most. A revocation does not reach it. */
  readonly lifetimeMs: number;
}

export interface SweepPolicy {
  /** Ended sessions are kept at least this long after they ended. */
  readonly historyMs: number;
  /** Audit events are kept at least this long. */
  readonly auditRetentionMs: number;
  /** A sweep stops after this time and reports that there is more to delete. */
  readonly timeLimitMs: number;
  /** The maximum number of rows that one statement deletes. */
  readonly batchSize: number;
}
