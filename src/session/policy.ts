/**
 * What an operator can decide about sessions. The configuration fills these in; the rules read
 * them. All durations are milliseconds, and those of sessions are whole seconds.
 */

export interface TimeoutPolicy {
  /** Without activity for this long, a session expires (ASVS 7.3.1). */
  readonly idleMs: number;
  /** This long after it was opened, a session expires whatever happens (ASVS 7.3.2). */
  readonly absoluteMs: number;
  /** The longest idle timeout that Create may ask for. At least `idleMs`. */
  readonly maxIdleMs: number;
  /** The longest absolute timeout that Create may ask for. At least `absoluteMs`. */
  readonly maxAbsoluteMs: number;
  /** The absolute timeout of a session that was opened before login. */
  readonly preLoginMs: number;
  /** Touch writes only when the last write is at least this old. 0 writes always. */
  readonly touchIntervalMs: number;
  /** The expiry warning is on when at most this is left to the idle deadline. */
  readonly idleWarningMs: number;
  /** The expiry warning is on when at most this is left to the absolute deadline. */
  readonly absoluteWarningMs: number;
  /** A retired signing key verifies for this long. Never shorter than `maxAbsoluteMs`. */
  readonly keyRetentionMs: number;
}

export type SameSite = "strict" | "lax" | "none";

export interface CookiePolicy {
  /**
   * Whether browsers reach the application over TLS. If so, cookies are Secure and their names
   * carry the `__Host-` prefix (RFC 6265bis, section 4.1.3.2).
   */
  readonly secure: boolean;
  readonly sameSite: SameSite;
  /** Names without the prefix. */
  readonly sessionName: string;
  readonly preLoginName: string;
  readonly csrfName: string;
}

export interface BindingPolicy {
  /** Refuse a session whose browser's address is known to have changed. */
  readonly ip: boolean;
  /** Refuse a session whose browser's user agent is known to have changed. */
  readonly userAgent: boolean;
}

export type SessionLimitPolicy = "evict_oldest" | "reject";

export interface SessionLimit {
  /** How many live sessions an actor may have (ASVS 7.1.2). 0: any number. */
  readonly maxPerActor: number;
  /** What a Create beyond the limit does: revoke the oldest session, or fail. */
  readonly policy: SessionLimitPolicy;
}

export interface SweepPolicy {
  /** Ended sessions are kept at least this long after they ended. */
  readonly historyMs: number;
  /** Audit events are kept at least this long. */
  readonly auditRetentionMs: number;
  /** One sweep stops after this long and says that there is more. */
  readonly timeLimitMs: number;
  /** Rows deleted by one statement. */
  readonly batchSize: number;
}
