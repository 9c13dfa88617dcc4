/** From results to the messages of responses, and to those of error details. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { SessionLimitDetailSchema } from "../../gen/es/sessiond/v1/error_pb.ts";
import {
  type AuditEventSchema,
  SameSite,
  type Session as SessionMessage,
  SessionState,
  type SetCookie as SetCookieMessage,
  type SigningKeySchema,
  SigningKeyState,
  type TokenKeySchema,
  TokenKeyState,
} from "../../gen/es/sessiond/v1/session_pb.ts";
import type { ValidateResponse } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { AuditEvent } from "../session/audit.ts";
import { authenticatedAt } from "../session/authentication.ts";
import type { Instant } from "../session/clock.ts";
import { wholeSeconds } from "../session/clock.ts";
import type { TimeoutPolicy } from "../session/policy.ts";
import { endAt, idleExpiresAt, type Session, stateAt, timeLeft } from "../session/session.ts";
import type { LimitReached } from "../session/session-store.ts";
import type { ValidatedSession } from "../session/sessions.ts";
import type { SetCookie } from "../session/set-cookie.ts";
import type { SigningKey } from "../session/signing-key.ts";
import { signingKeyStateAt, verifiesUntil } from "../session/signing-key.ts";
import { type TokenKey, tokenKeyStateAt } from "../session/token-key.ts";

type Init<Schema extends Parameters<typeof import("@bufbuild/protobuf").create>[0]> =
  MessageInitShape<Schema>;

function timestamp(instant: Instant): Timestamp {
  const seconds = Math.floor(instant / 1000);
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds: BigInt(seconds),
    nanos: (instant - seconds * 1000) * 1_000_000,
  };
}

function optionalTimestamp(instant: Instant | undefined): Timestamp | undefined {
  return instant === undefined ? undefined : timestamp(instant);
}

export const sessionStates = {
  ACTIVE: SessionState.ACTIVE,
  IDLE_EXPIRED: SessionState.IDLE_EXPIRED,
  ABSOLUTE_EXPIRED: SessionState.ABSOLUTE_EXPIRED,
  REVOKED: SessionState.REVOKED,
} as const;

/**
 * The session with its state at `now`. This is a complete message and not an initialiser, which the
 * runtime would copy field by field for each Validate.
 */
export function sessionMessage(session: Session, now: Instant, current = false): SessionMessage {
  const end = endAt(session, now);
  const revokedAt = optionalTimestamp(session.revokedAt);
  const endedAt = optionalTimestamp(end?.at);
  const authenticated = optionalTimestamp(authenticatedAt(session));
  return {
    $typeName: "sessiond.v1.Session",
    id: session.id,
    tenantId: session.tenantId,
    actorId: session.actorId,
    actorType: session.actorType,
    appType: session.appType,
    state: sessionStates[stateAt(session, now)],
    preLogin: session.preLogin,
    createdAt: timestamp(session.createdAt),
    lastSeenAt: timestamp(session.lastSeenAt),
    idleExpiresAt: timestamp(idleExpiresAt(session)),
    absoluteExpiresAt: timestamp(session.absoluteExpiresAt),
    ...(revokedAt && { revokedAt }),
    ...(endedAt && { endedAt }),
    revokeReason: session.revokeReason,
    revokedBy: session.revokedBy,
    ipAddress: session.ipAddress,
    userAgent: session.userAgent,
    signingKeyId: session.signingKeyId,
    metadata: session.metadata,
    endReason: end?.reason ?? "",
    current,
    authLevel: session.authLevel,
    authMethods: session.authMethods as string[],
    metadataEtag: session.metadataEtag,
    ...(authenticated && { authenticatedAt: authenticated }),
  };
}

export function validateResponse(
  { session, now, touched, token }: ValidatedSession,
  policy: TimeoutPolicy,
): ValidateResponse {
  const { idleMs, absoluteMs, warning } = timeLeft(session, now, policy);
  return {
    $typeName: "sessiond.v1.ValidateResponse",
    session: sessionMessage(session, now),
    secondsLeft: wholeSeconds(Math.min(idleMs, absoluteMs)),
    idleSecondsLeft: wholeSeconds(idleMs),
    absoluteSecondsLeft: wholeSeconds(absoluteMs),
    expiryWarning: warning,
    touched,
    token: token?.token ?? "",
    ...(token && { tokenExpiresAt: timestamp(token.expiresAt) }),
  };
}

/** With the session ids and the other fields, ten sessions take at most 4 KiB in the trailers of gRPC. */
const MAX_COMPETING_USER_AGENT_BYTES = 88;

/** The detail of SESSION_LIMIT_REACHED. */
export function sessionLimitDetail({
  limit,
  total,
  oldest,
}: LimitReached): Init<typeof SessionLimitDetailSchema> {
  return {
    limit,
    total,
    sessions: oldest.map((session) => ({
      id: session.id,
      appType: session.appType,
      createdAt: timestamp(session.createdAt),
      lastSeenAt: timestamp(session.lastSeenAt),
      ipAddress: session.ipAddress,
      userAgent: cutToBytes(session.userAgent, MAX_COMPETING_USER_AGENT_BYTES),
    })),
  };
}

/** The longest beginning of the text that has at most `maxBytes` in UTF-8. Cuts no character in two. */
function cutToBytes(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}

const sameSites = { strict: SameSite.STRICT, lax: SameSite.LAX, none: SameSite.NONE } as const;

/** A complete message, as sessionMessage. */
export function setCookieMessage(cookie: SetCookie): SetCookieMessage {
  return {
    $typeName: "sessiond.v1.SetCookie",
    name: cookie.name,
    value: cookie.value,
    maxAgeSeconds: cookie.maxAgeSeconds,
    path: cookie.path,
    secure: cookie.secure,
    httpOnly: cookie.httpOnly,
    sameSite: sameSites[cookie.sameSite],
    header: cookie.header,
  };
}

const signingKeyStates = {
  ACTIVE: SigningKeyState.ACTIVE,
  RETIRED: SigningKeyState.RETIRED,
  EXPIRED: SigningKeyState.EXPIRED,
} as const;

export function signingKeyMessage(
  key: SigningKey,
  now: Instant,
  policy: TimeoutPolicy,
): Init<typeof SigningKeySchema> {
  const retiredAt = optionalTimestamp(key.retiredAt);
  const until = optionalTimestamp(verifiesUntil(key, policy));
  return {
    id: key.id,
    tenantId: key.tenantId,
    state: signingKeyStates[signingKeyStateAt(key, now, policy)],
    createdAt: timestamp(key.createdAt),
    ...(retiredAt && { retiredAt }),
    ...(until && { verifiesUntil: until }),
  };
}

const tokenKeyStates = {
  PUBLISHED: TokenKeyState.PUBLISHED,
  ACTIVE: TokenKeyState.ACTIVE,
  RETIRED: TokenKeyState.RETIRED,
} as const;

export function tokenKeyMessage(key: TokenKey, now: Instant): Init<typeof TokenKeySchema> {
  const publishedUntil = optionalTimestamp(key.publishedUntil);
  return {
    id: key.id,
    algorithm: key.algorithm,
    state: tokenKeyStates[tokenKeyStateAt(key, now)],
    createdAt: timestamp(key.createdAt),
    signsFrom: timestamp(key.signsFrom),
    ...(publishedUntil && { publishedUntil }),
  };
}

export function auditEventMessage(event: AuditEvent): Init<typeof AuditEventSchema> {
  return {
    id: event.id,
    occurredAt: timestamp(event.occurredAt),
    category: event.category,
    action: event.action,
    actingActorId: event.actingActorId,
    callingService: event.callingService,
    tenantId: event.tenantId,
    resourceType: event.resourceType,
    resourceId: event.resourceId,
    details: event.details,
  };
}
