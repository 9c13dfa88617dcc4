import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { AuditLog } from "../session/audit-log.ts";
import type { CallContext } from "../session/call-context.ts";
import type { CsrfRotation } from "../session/csrf-rotation.ts";
import { SessionError } from "../session/errors.ts";
import type { TimeoutPolicy } from "../session/policy.ts";
import type { RevocationByFilter } from "../session/revoke-sessions-by-filter.ts";
import type { SessionCreation } from "../session/session-creation.ts";
import type { SessionRotation } from "../session/session-rotation.ts";
import type { SessionSearch } from "../session/session-search.ts";
import type { Sessions } from "../session/sessions.ts";
import type { SigningKeys } from "../session/signing-keys.ts";
import type { SweepResult } from "../session/sweep.ts";
import type { TokenKeys } from "../session/token-keys.ts";
import type { Admission, AdmittedCaller } from "./admission.ts";
import { noteCall, tenantOf } from "./call-description.ts";
import { EncodableValidateResponse } from "./encodable-validate-response.ts";
import { type ErrorMapping, toConnectError } from "./errors.ts";
import * as requests from "./requests.ts";
import * as responses from "./responses.ts";
import { type OwnContext, RpcCallContext } from "./rpc-call-context.ts";

export interface SessionServiceDependencies {
  readonly sessions: Sessions;
  readonly sessionCreation: SessionCreation;
  readonly sessionRotation: SessionRotation;
  readonly sessionSearch: SessionSearch;
  readonly revocationByFilter: RevocationByFilter;
  readonly csrfRotation: CsrfRotation;
  readonly signingKeys: SigningKeys;
  readonly tokenKeys: TokenKeys;
  readonly auditLog: AuditLog;
  readonly timeouts: TimeoutPolicy;
  /** Runs one sweep. Undefined if another one is running. */
  readonly sweep: (context: CallContext) => Promise<SweepResult | undefined>;
  readonly admission: Admission;
  readonly errors: ErrorMapping;
  readonly observer: SuccessObserver;
}

/** Tells whether anybody wants to know of successful calls. Read for each call. */
export interface SuccessObserver {
  readonly observesSuccess: boolean;
}

type Implementation = ServiceImpl<typeof SessionService>;
type Method = typeof SessionService.method;
/** What a handler may return: an initialiser of its message, or what the server calls encodable. */
type Returned<Output extends DescMessage> =
  | MessageInitShape<Output>
  | { toEnvelope(): Buffer | undefined; toMessage(): MessageShape<Output> };
type Handlers = {
  [Name in keyof Method]: (
    request: MessageShape<Method[Name]["input"]>,
    context: CallContext,
  ) => Promise<Returned<Method[Name]["output"]>>;
};

/** Registers SessionService with a router. */
export function sessionService(deps: SessionServiceDependencies): (router: ConnectRouter) => void {
  const implementation = serveCalls(sessionHandlers(deps), deps);
  return (router) => {
    router.service(SessionService, implementation);
  };
}

/**
 * Wraps all handlers: adds the call context, serves only calls that are admitted, notes the tenant, and
 * maps errors to Connect errors. One wrapper does it all, since each costs every call a promise.
 */
function serveCalls(
  calls: Handlers,
  { admission, errors, observer }: SessionServiceDependencies,
): Implementation {
  const handle =
    <Request extends object, Response extends object>(
      call: (request: Request, context: CallContext) => Promise<Response>,
    ) =>
    async (request: Request, context: OwnContext): Promise<Response> => {
      let admitted: AdmittedCaller | undefined;
      try {
        const ownContext = new RpcCallContext(context);
        admitted = admission.enter(ownContext.limitKey);
        const response = await call(request, ownContext);
        if (observer.observesSuccess) {
          noteCall(context.values, { tenant: tenantOf(response) ?? tenantOf(request) });
        }
        return response;
      } catch (error) {
        noteCall(context.values, { tenant: tenantOfFailure(error, request) });
        throw toConnectError(error, errors);
      } finally {
        if (admitted !== undefined) admission.leave(admitted);
      }
    };
  const entries = Object.entries(calls) as [string, (typeof calls)["get"]][];
  return Object.fromEntries(
    entries.map(([name, call]) => [name, handle(call)]),
  ) as unknown as Implementation;
}

/** The denied session's tenant, or the one that the request names, unless its fields are wrong. */
function tenantOfFailure(error: unknown, request: object): string | undefined {
  if (!(error instanceof SessionError)) return tenantOf(request);
  return error.tenantId ?? (error.reason === "INVALID_REQUEST" ? undefined : tenantOf(request));
}

function sessionHandlers(deps: SessionServiceDependencies): Handlers {
  const {
    sessions,
    sessionCreation,
    sessionRotation,
    csrfRotation,
    signingKeys,
    tokenKeys,
    auditLog,
    timeouts,
  } = deps;
  const { sessionMessage, setCookieMessage, signingKeyMessage, tokenKeyMessage } = responses;

  return {
    create: async (request, context) => {
      const created = await sessionCreation.create(requests.createCommand(request), context);
      const { session, now, cookie, csrfToken, setCookies, replaced } = created;
      // A complete message, so that it is not copied.
      return {
        $typeName: "sessiond.v1.CreateResponse",
        session: sessionMessage(session, now),
        cookie,
        csrfToken,
        setCookies: setCookies.map(setCookieMessage),
        replacedSessionId: replaced?.id ?? "",
      };
    },

    validate: async (request, context) => {
      const validated = await sessions.validate(requests.validateCommand(request), context);
      return new EncodableValidateResponse(validated, timeouts);
    },

    validateCsrf: async (request, context) => {
      const command = requests.validateCsrfCommand(request);
      const { session, now } = await sessions.validateCsrf(command, context);
      return { session: sessionMessage(session, now) };
    },

    touch: async (request, context) => {
      const ref = requests.refInput(request.session);
      const { session, now, touched } = await sessions.touch(ref, context);
      return {
        $typeName: "sessiond.v1.TouchResponse",
        session: sessionMessage(session, now),
        touched,
      };
    },

    revoke: async (request, context) => {
      const command = requests.revokeCommand(request);
      const { session, now, revoked, setCookies } = await sessions.revoke(command, context);
      return {
        session: sessionMessage(session, now),
        revoked,
        setCookies: setCookies.map(setCookieMessage),
      };
    },

    revokeAllForActor: async (request, context) => {
      const command = requests.revokeAllForActorCommand(request);
      return { revokedCount: await sessions.revokeAllForActor(command, context) };
    },

    rotateCsrf: async (request, context) => {
      const rotated = await csrfRotation.rotate(requests.rotateCsrfCommand(request), context);
      return {
        rotated: rotated.map(({ session, csrfToken, setCookie }) => ({
          sessionId: session.id,
          csrfToken,
          setCookie: setCookieMessage(setCookie),
        })),
      };
    },

    rotateSession: async (request, context) => {
      const command = requests.rotateSessionCommand(request);
      const rotated = await sessionRotation.rotate(command, context);
      const { session, now, cookie, csrfToken, setCookies, previousId } = rotated;
      return {
        session: sessionMessage(session, now),
        cookie,
        csrfToken,
        setCookies: setCookies.map(setCookieMessage),
        previousSessionId: previousId,
      };
    },

    updateMetadata: async (request, context) => {
      const command = requests.updateMetadataCommand(request);
      const { session, now } = await sessions.updateMetadata(command, context);
      return { session: sessionMessage(session, now) };
    },

    rotateSigningKey: async (request, context) => {
      const command = requests.rotateSigningKeyCommand(request);
      const { now, active, retired } = await signingKeys.rotate(command, context);
      return {
        activeKey: signingKeyMessage(active, now, timeouts),
        ...(retired && { retiredKey: signingKeyMessage(retired, now, timeouts) }),
      };
    },

    garbageCollect: async (_request, context) => {
      const result = await deps.sweep(context);
      if (result === undefined) return { alreadyRunning: true };
      return {
        sessionsDeleted: result.deleted.sessions,
        preLoginSessionsDeleted: result.deleted.pre_login_sessions,
        signingKeysDeleted: result.deleted.signing_keys,
        auditEventsDeleted: result.deleted.audit_events,
        tokenKeysDeleted: result.deleted.token_keys,
        more: result.more,
        failedParts: [...result.failures.keys()],
      };
    },

    get: async (request, context) => {
      const { session, now } = await sessions.get(requests.refInput(request.session), context);
      return { session: sessionMessage(session, now) };
    },

    list: async (request, context) => {
      const page = await sessions.list(requests.listCommand(request), context);
      return {
        sessions: page.items.map((session) =>
          sessionMessage(session, page.now, session.id === page.currentId),
        ),
        nextPageToken: page.nextPageToken,
      };
    },

    listSessions: async (request, context) => {
      const command = requests.listSessionsCommand(request);
      const { items, now, nextPageToken } = await deps.sessionSearch.list(command, context);
      return { sessions: items.map((session) => sessionMessage(session, now)), nextPageToken };
    },

    revokeSessions: async (request, context) => {
      const command = requests.revokeSessionsCommand(request);
      const revoked = await deps.revocationByFilter.revoke(command, context);
      const { now, processed, nextPageToken, sample } = revoked;
      return {
        processed,
        more: nextPageToken !== "",
        nextPageToken,
        sample: sample.map((session) => sessionMessage(session, now)),
      };
    },

    listSigningKeys: async (request, context) => {
      const page = await signingKeys.list(requests.listSigningKeysCommand(request), context);
      return {
        signingKeys: page.items.map((key) => signingKeyMessage(key, page.now, timeouts)),
        nextPageToken: page.nextPageToken,
      };
    },

    rotateTokenKey: async (request, context) => {
      const command = requests.rotateTokenKeyCommand(request);
      const { now, newKey, retired } = await tokenKeys.rotate(command, context);
      return {
        newKey: tokenKeyMessage(newKey, now),
        retiredKeys: retired.map((key) => tokenKeyMessage(key, now)),
      };
    },

    listTokenKeys: async (request, context) => {
      const page = await tokenKeys.list(requests.listTokenKeysCommand(request), context);
      return {
        tokenKeys: page.items.map((key) => tokenKeyMessage(key, page.now)),
        nextPageToken: page.nextPageToken,
      };
    },

    listAuditEvents: async (request, context) => {
      const page = await auditLog.list(requests.listAuditEventsCommand(request), context);
      return {
        auditEvents: page.items.map(responses.auditEventMessage),
        nextPageToken: page.nextPageToken,
      };
    },
  };
}
