import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { SessionLimitDetailSchema } from "../../gen/es/sessiond/v1/error_pb.ts";
import {
  type ActorRef,
  type AuditEventSchema,
  SameSite,
  type Session as SessionMessage,
  type SessionRef,
  SessionState,
  type SetCookieSchema,
  type SigningKeySchema,
  SigningKeyState,
} from "../../gen/es/sessiond/v1/session_pb.ts";
import type {
  CreateRequest,
  ListAuditEventsRequest,
  ListRequest,
  ListSigningKeysRequest,
  RevokeAllForActorRequest,
  RevokeRequest,
  RotateCsrfRequest,
  RotateSessionRequest,
  RotateSigningKeyRequest,
  UpdateMetadataRequest,
  ValidateCsrfRequest,
  ValidateRequest,
  ValidateResponse,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { AuditEvent } from "../session/audit.ts";
import { authenticatedAt } from "../session/authentication.ts";
import type { Instant } from "../session/clock.ts";
import { wholeSeconds } from "../session/clock.ts";
import type {
  ActorInput,
  CreateCommand,
  ListAuditEventsCommand,
  ListCommand,
  ListSigningKeysCommand,
  RevokeAllForActorCommand,
  RevokeCommand,
  RotateCsrfCommand,
  RotateSessionCommand,
  RotateSigningKeyCommand,
  SessionRefInput,
  UpdateMetadataCommand,
  ValidateCommand,
  ValidateCsrfCommand,
} from "../session/commands.ts";
import type { TimeoutPolicy } from "../session/policy.ts";
import { endAt, idleExpiresAt, type Session, stateAt, timeLeft } from "../session/session.ts";
import type { LimitReached } from "../session/session-store.ts";
import type { SetCookie } from "../session/set-cookie.ts";
import type { SigningKey } from "../session/signing-key.ts";
import { signingKeyStateAt, verifiesUntil } from "../session/signing-key.ts";

type Init<Schema extends Parameters<typeof import("@bufbuild/protobuf").create>[0]> =
  MessageInitShape<Schema>;

// From requests to commands.

export function refInput(ref: SessionRef | undefined): SessionRefInput | undefined {
  if (ref === undefined) return undefined;
  const { tenantId } = ref;
  switch (ref.ref.case) {
    case "cookie":
      return { kind: "cookie", cookie: ref.ref.value, tenantId };
    case "cookieHeader":
      return { kind: "header", header: ref.ref.value, tenantId };
    case "sessionId":
      return { kind: "id", id: ref.ref.value, tenantId };
    case undefined:
      return { kind: "unset", tenantId };
  }
}

function actorInput(actor: ActorRef | undefined): ActorInput | undefined {
  if (actor === undefined) return undefined;
  const { tenantId, actorType, actorId } = actor;
  return { tenantId, actorType, actorId };
}

export function createCommand(request: CreateRequest): CreateCommand {
  return {
    actor: actorInput(request.actor),
    attributes: {
      appType: request.appType,
      ipAddress: request.ipAddress,
      userAgent: request.userAgent,
      metadata: request.metadata,
    },
    authentication: {
      authLevel: request.authLevel,
      authMethods: request.authMethods,
      authenticatedAt: request.authenticatedAt,
    },
    timeouts: { idle: request.idleTimeout, absolute: request.absoluteTimeout },
    preLogin: request.preLogin,
    replaces: refInput(request.replaces),
  };
}

function credentialOf({ credential }: ValidateRequest): ValidateCommand["credential"] {
  switch (credential.case) {
    case "cookie":
      return { kind: "cookie", cookie: credential.value };
    case "cookieHeader":
      return { kind: "header", header: credential.value };
    case undefined:
      return { kind: "unset" };
  }
}

export function validateCommand(request: ValidateRequest): ValidateCommand {
  return {
    credential: credentialOf(request),
    csrfToken: request.csrfToken,
    httpMethod: request.httpMethod,
    touch: request.touch,
    acceptPreLogin: request.acceptPreLogin,
    ipAddress: request.ipAddress,
    userAgent: request.userAgent,
    tenantId: request.tenantId,
    minAuthLevel: request.minAuthLevel,
    maxAuthAge: request.maxAuthAge,
  };
}

export function validateCsrfCommand(request: ValidateCsrfRequest): ValidateCsrfCommand {
  const { csrfToken, acceptPreLogin } = request;
  return { session: refInput(request.session), csrfToken, acceptPreLogin };
}

export function revokeCommand(request: RevokeRequest): RevokeCommand {
  const { reason, actingActorId } = request;
  return { session: refInput(request.session), reason, actingActorId };
}

export function revokeAllForActorCommand(
  request: RevokeAllForActorRequest,
): RevokeAllForActorCommand {
  const { reason, actingActorId } = request;
  const actor = actorInput(request.actor);
  return { actor, keep: refInput(request.keep), reason, actingActorId };
}

export function rotateCsrfCommand(request: RotateCsrfRequest): RotateCsrfCommand {
  const { actingActorId, target } = request;
  switch (target.case) {
    case "session": {
      const session = refInput(target.value) as SessionRefInput;
      return { target: { kind: "session", session }, actingActorId };
    }
    case "actor":
      return {
        target: { kind: "actor", actor: actorInput(target.value) as ActorInput },
        actingActorId,
      };
    case undefined:
      return { target: { kind: "unset" }, actingActorId };
  }
}

export function rotateSessionCommand(request: RotateSessionRequest): RotateSessionCommand {
  const { grace, authLevel, authMethods, authenticatedAt, actingActorId } = request;
  const session = refInput(request.session);
  return { session, grace, authLevel, authMethods, authenticatedAt, actingActorId };
}

export function updateMetadataCommand(request: UpdateMetadataRequest): UpdateMetadataCommand {
  const { metadata, metadataEtag, actingActorId } = request;
  return { session: refInput(request.session), metadata, metadataEtag, actingActorId };
}

export function listCommand(request: ListRequest): ListCommand {
  const { includeEnded, pageSize, pageToken } = request;
  return {
    actor: actorInput(request.actor),
    includeEnded,
    current: refInput(request.current),
    pageSize,
    pageToken,
  };
}

export function rotateSigningKeyCommand({
  tenantId,
  actingActorId,
}: RotateSigningKeyRequest): RotateSigningKeyCommand {
  return { tenantId, actingActorId };
}

export function listSigningKeysCommand({
  tenantId,
  pageSize,
  pageToken,
}: ListSigningKeysRequest): ListSigningKeysCommand {
  return { tenantId, pageSize, pageToken };
}

export function listAuditEventsCommand(request: ListAuditEventsRequest): ListAuditEventsCommand {
  const { tenantId, resourceId, actingActorId, pageSize, pageToken } = request;
  return { tenantId, resourceId, actingActorId, pageSize, pageToken };
}

// From results to messages.

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

const sessionStates = {
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
  { session, now, touched }: { session: Session; now: Instant; touched: boolean },
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

export function setCookieMessage(cookie: SetCookie): Init<typeof SetCookieSchema> {
  return { ...cookie, sameSite: sameSites[cookie.sameSite] };
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
