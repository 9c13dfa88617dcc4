/** From requests to commands. */

import type { ActorRef, SessionFilter, SessionRef } from "../../gen/es/sessiond/v1/session_pb.ts";
import type {
  CreateRequest,
  ListAuditEventsRequest,
  ListRequest,
  ListSessionsRequest,
  ListSigningKeysRequest,
  ListTokenKeysRequest,
  RevokeAllForActorRequest,
  RevokeRequest,
  RevokeSessionsRequest,
  RotateCsrfRequest,
  RotateSessionRequest,
  RotateSigningKeyRequest,
  RotateTokenKeyRequest,
  UpdateMetadataRequest,
  ValidateCsrfRequest,
  ValidateRequest,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type {
  ActorInput,
  CreateCommand,
  ListAuditEventsCommand,
  ListCommand,
  ListSessionsCommand,
  ListSigningKeysCommand,
  ListTokenKeysCommand,
  RevokeAllForActorCommand,
  RevokeCommand,
  RevokeSessionsCommand,
  RotateCsrfCommand,
  RotateSessionCommand,
  RotateSigningKeyCommand,
  RotateTokenKeyCommand,
  SessionFilterInput,
  SessionRefInput,
  UpdateMetadataCommand,
  ValidateCommand,
  ValidateCsrfCommand,
} from "../session/commands.ts";

function filterInput(filter: SessionFilter | undefined): SessionFilterInput | undefined {
  if (filter === undefined) return undefined;
  return {
    tenantId: filter.tenantId,
    actorType: filter.actorType,
    appType: filter.appType,
    ipAddress: filter.ipAddress,
    userAgentContains: filter.userAgentContains,
    createdSince: filter.createdSince,
    createdBefore: filter.createdBefore,
    seenSince: filter.seenSince,
    seenBefore: filter.seenBefore,
  };
}

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
    actorType: request.actorType,
    tokenAudience: request.tokenAudience,
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

export function listSessionsCommand(request: ListSessionsRequest): ListSessionsCommand {
  const { includeEnded, pageSize, pageToken } = request;
  return { filter: filterInput(request.filter), includeEnded, pageSize, pageToken };
}

export function revokeSessionsCommand(request: RevokeSessionsRequest): RevokeSessionsCommand {
  const { everything, reason, actingActorId, dryRun, pageToken } = request;
  const filter = filterInput(request.filter);
  return { filter, everything, reason, actingActorId, dryRun, pageToken };
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

export function rotateTokenKeyCommand({
  actingActorId,
  immediately,
}: RotateTokenKeyRequest): RotateTokenKeyCommand {
  return { actingActorId, immediately };
}

export function listTokenKeysCommand({
  pageSize,
  pageToken,
}: ListTokenKeysRequest): ListTokenKeysCommand {
  return { pageSize, pageToken };
}

export function listAuditEventsCommand(request: ListAuditEventsRequest): ListAuditEventsCommand {
  return {
    tenantId: request.tenantId,
    allTenants: request.allTenants,
    resourceId: request.resourceId,
    actingActorId: request.actingActorId,
    action: request.action,
    occurredSince: request.occurredSince,
    occurredBefore: request.occurredBefore,
    afterId: request.afterId,
    oldestFirst: request.oldestFirst,
    pageSize: request.pageSize,
    pageToken: request.pageToken,
  };
}
