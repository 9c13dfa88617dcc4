import type { CallContext } from "../../src/session/call-context.ts";
import type { SessionId, SigningKeyId, TenantId } from "../../src/session/ids.ts";
import type { TimeoutPolicy } from "../../src/session/policy.ts";
import type { Session } from "../../src/session/session.ts";
import { SetCookieFactory } from "../../src/session/set-cookie.ts";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** A fixed instant, so that no test depends on when it runs. */
export const T0 = Date.UTC(2025, 0, 1);

export const SESSION_ID = `ses-${"0123456789ab".repeat(4).slice(0, 44)}` as SessionId;
export const SIGNING_KEY_ID = `sk-${"fedcba9876543210".repeat(2)}` as SigningKeyId;
export const TENANT = "tenant" as TenantId;

export const context: CallContext = { signal: undefined, callingService: "test" };

/** The defaults, but for maxima that leave something to ask for. */
export const timeouts: TimeoutPolicy = {
  idleMs: 30 * MINUTE,
  absoluteMs: 12 * HOUR,
  maxIdleMs: HOUR,
  maxAbsoluteMs: 24 * HOUR,
  preLoginMs: 10 * MINUTE,
  touchIntervalMs: 30 * SECOND,
  idleWarningMs: 5 * MINUTE,
  absoluteWarningMs: 30 * MINUTE,
  keyRetentionMs: 25 * HOUR,
  maxRotationGraceMs: 30 * SECOND,
};

/** A live session that was opened and last seen at T0. */
export function aSession(facts: Partial<Session> = {}): Session {
  return {
    id: SESSION_ID,
    tenantId: TENANT,
    actorType: "user",
    actorId: "alice",
    appType: "",
    preLogin: false,
    createdAt: T0,
    lastSeenAt: T0,
    idleTimeoutMs: timeouts.idleMs,
    absoluteExpiresAt: T0 + timeouts.absoluteMs,
    revokedAt: undefined,
    revokeReason: "",
    revokedBy: "",
    ipAddress: "",
    userAgent: "",
    signingKeyId: SIGNING_KEY_ID,
    csrfTokenHash: Buffer.alloc(32),
    metadata: {},
    metadataEtag: "1",
    authLevel: 0,
    authMethods: [],
    authenticatedAt: T0,
    ...facts,
  };
}

export const cookies = new SetCookieFactory({
  secure: true,
  sameSite: "lax",
  sessionName: "session",
  preLoginName: "prelogin",
  csrfName: "csrf",
});
