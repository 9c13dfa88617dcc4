import { STATUS_CODES } from "node:http";
import { isIP } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code } from "@connectrpc/connect";
import { ErrorReason } from "../../../gen/es/sessiond/v1/error_pb.ts";
import type { Session, SetCookie } from "../../../gen/es/sessiond/v1/session_pb.ts";
import type {
  SessionService,
  ValidateRequestSchema,
} from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { SessionError, sessionError } from "./errors.ts";

/** What the middleware needs of a client; `connect` makes one. */
export type SessionClient = Pick<Client<typeof SessionService>, "validate" | "create" | "revoke">;

/** The session of a request, as sessiond has just read it. */
export interface RequestSession {
  readonly session: Session;
  /** Until the session expires without activity. */
  readonly secondsLeft: number;
  readonly idleSecondsLeft: number;
  readonly absoluteSecondsLeft: number;
  /** Whether the session expires soon. */
  readonly expiryWarning: boolean;
}

/** Who has logged in, and what is stored with the session. */
export interface Login {
  readonly actorId: string;
  /** `user` unless set. */
  readonly actorType?: string;
  /** The tenant of the middleware unless set, else the tenant `default`. */
  readonly tenantId?: string;
  readonly appType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** In whole seconds; sessiond's own setting unless set. */
  readonly idleTimeoutSeconds?: number;
  /** In whole seconds; sessiond's own setting unless set. */
  readonly absoluteTimeoutSeconds?: number;
}

export interface LoggedIn {
  readonly session: Session;
  /** For the forms of the page that answers the login. Secret. */
  readonly csrfToken: string;
}

/** What may be logged of a request. */
export interface FailedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

export interface SessionsOptions<Request> {
  /**
   * Only sessions of this tenant are accepted. A function that returns nothing refuses the request
   * with 500: it never means any tenant, and neither does undefined, such as that of an unset variable.
   */
  readonly tenant?: string | ((request: Request) => string | undefined);
  /** The browser's address, if a proxy is in between. The peer's address unless set. */
  readonly clientIp?: (request: Request) => string | undefined;
  /** The header with the CSRF token. X-CSRF-Token. */
  readonly csrfHeader?: string;
  /** The form field with the CSRF token, if the header is absent. csrf_token. */
  readonly csrfField?: string;
  /** The cookie that `startLogin` and `csrfToken` read. __Host-csrf, then csrf. */
  readonly csrfCookie?: string;
  /** Larger forms are not searched for the CSRF token. 102,400. */
  readonly formLimitBytes?: number;
  /**
   * Is told of every failure that is answered with 500 or 503. Logs it to the console unless set, or
   * to Fastify's logger. It does not get the request, whose cookies must not be logged.
   */
  readonly onError?: (error: SessionError, request: FailedRequest) => void;
}

/** How to read a request of a framework. */
export interface RequestReader<Request> {
  method(request: Request): string;
  /** Without the query. */
  path(request: Request): string;
  /** A header by its lower-case name, with a character for each byte, as HTTP libraries return it. */
  header(request: Request, name: string): string | undefined;
  peerAddress(request: Request): string | undefined;
  /** A field of an urlencoded body of at most this size. The handler can still read the body. */
  formField(request: Request, name: string, limitBytes: number): Promise<string | undefined>;
  /** Logs a failure if the application does not. */
  log(error: SessionError, request: Request): void;
}

/** What to answer if there is no session to go on with. It never has a Set-Cookie. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A problem document (RFC 9457) as JSON. */
  readonly body: string;
  /** Why, for handlers that answer by themselves. */
  readonly error: SessionError;
}

/** The rules of all middlewares, whatever the framework. Everything rejects with a SessionError. */
export interface RequestSessions<Request> {
  /** The session of the request. */
  required(request: Request): Promise<RequestSession>;
  /** The same, but undefined if the browser has no live session. */
  optional(request: Request): Promise<RequestSession | undefined>;
  /** The value of the CSRF cookie, which nobody has checked; empty if there is none. */
  csrfToken(request: Request): string;
  startLogin(request: Request): Promise<{ csrfToken: string; setCookies: string[] }>;
  checkLogin(request: Request): Promise<void>;
  logIn(request: Request, login: Login): Promise<LoggedIn & { setCookies: string[] }>;
  logOut(request: Request): Promise<{ revoked: boolean; setCookies: string[] }>;
  /**
   * Whether the response has got cookies of sessiond. If its handler fails after that, they have to go:
   * no refusal changes cookies.
   */
  hasSetCookies(request: Request): boolean;
  /** Also tells `onError` of an outage. */
  refuse(error: SessionError, request: Request): Refusal;
}

/** A session, and what it has been checked for. */
interface Validated {
  readonly session: RequestSession;
  readonly tenantId: string | undefined;
  readonly method: string;
}

/**
 * With these, the request is not searched for a CSRF token, and a wrong one does not matter. Whether
 * a token is required is sessiond's decision, by the method that each Validate has.
 */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const MAX_USER_AGENT_LENGTH = 512;
const DEFAULT_CSRF_COOKIES = ["__Host-csrf", "csrf"];

export function createRequestSessions<Request extends object>(
  client: SessionClient,
  options: SessionsOptions<Request>,
  reader: RequestReader<Request>,
): RequestSessions<Request> {
  const {
    csrfHeader = "x-csrf-token",
    csrfField = "csrf_token",
    formLimitBytes = 102_400,
    onError,
  } = options;
  if (Object.hasOwn(options, "tenant")) requireTenant(options.tenant);
  const csrfHeaderName = csrfHeader.toLowerCase();
  const csrfCookies = options.csrfCookie ? [options.csrfCookie] : DEFAULT_CSRF_COOKIES;
  /** Several middlewares of one request share its call, if it has checked what they need. */
  const validated = new WeakMap<Request, Validated>();

  const withSetCookies = new WeakSet<Request>();

  function setCookiesFor(request: Request, setCookies: readonly SetCookie[]): string[] {
    const headers = headersOf(setCookies);
    if (headers.length > 0) withSetCookies.add(request);
    return headers;
  }

  function tell(error: SessionError, request: Request): void {
    if (onError === undefined) reader.log(error, request);
    else onError(error, { method: reader.method(request), path: reader.path(request) });
  }

  const cookiesOf = (request: Request) => decoded(reader.header(request, "cookie"));

  function browserOf(request: Request) {
    const ip = options.clientIp ? options.clientIp(request) : reader.peerAddress(request);
    return {
      ipAddress: validAddress(ip),
      userAgent: cut(decoded(reader.header(request, "user-agent"))),
    };
  }

  /** Empty if any tenant is accepted, else the field of a request. */
  function tenantOf(request: Request): { tenantId?: string } {
    const { tenant } = options;
    if (tenant === undefined) return {};
    const tenantId = typeof tenant === "string" ? tenant : tenant(request);
    if (typeof tenantId === "string" && tenantId !== "") return { tenantId };
    throw new SessionError("the request's tenant is not known", {
      code: Code.InvalidArgument,
      reason: ErrorReason.INVALID_REQUEST,
      httpStatus: 400,
    });
  }

  /** Empty if there is none, which sessiond refuses whatever the method is. */
  async function csrfTokenOf(request: Request): Promise<string> {
    const header = reader.header(request, csrfHeaderName);
    if (header !== undefined && header !== "") return decoded(header);
    return (await reader.formField(request, csrfField, formLimitBytes)) ?? "";
  }

  async function validate(
    request: Request,
    fields: MessageInitShape<typeof ValidateRequestSchema>,
  ): Promise<RequestSession> {
    const cookies = cookiesOf(request);
    if (cookies === "") throw noCookie();
    const credential = { case: "cookieHeader", value: cookies } as const;
    const httpMethod = reader.method(request);
    const response = await call(
      client.validate({ credential, httpMethod, ...browserOf(request), ...fields }),
    );
    const { secondsLeft, idleSecondsLeft, absoluteSecondsLeft, expiryWarning } = response;
    const session = present(response.session);
    return { session, secondsLeft, idleSecondsLeft, absoluteSecondsLeft, expiryWarning };
  }

  async function required(request: Request): Promise<RequestSession> {
    const tenant = tenantOf(request);
    const method = reader.method(request);
    const known = validated.get(request);
    // The method and the tenant can have changed since: by an override, by a router's parameters.
    if (known?.tenantId === tenant.tenantId && known?.method === method) return known.session;
    const csrf = SAFE_METHODS.has(method) ? {} : { csrfToken: await csrfTokenOf(request) };
    const session = await validate(request, { ...tenant, ...csrf, touch: true });
    validated.set(request, { session, tenantId: tenant.tenantId, method });
    return session;
  }

  const csrfToken = (request: Request) => tokenCookie(cookiesOf(request), csrfCookies);

  return {
    required,
    csrfToken,

    async optional(request) {
      try {
        return await required(request);
      } catch (error) {
        if (error instanceof SessionError && error.browserStatus === 401) return undefined;
        throw error;
      }
    },

    async startLogin(request) {
      const tenant = tenantOf(request);
      const token = csrfToken(request);
      if (token !== "") {
        try {
          await validate(request, { ...tenant, csrfToken: token, acceptPreLogin: true });
          return { csrfToken: token, setCookies: [] };
        } catch (error) {
          if (!isRefused(error)) throw error;
        }
      }
      const { tenantId = "" } = tenant;
      const created = await call(
        client.create({ preLogin: true, actor: { tenantId }, ...browserOf(request) }),
      );
      present(created.session);
      return {
        csrfToken: created.csrfToken,
        setCookies: setCookiesFor(request, created.setCookies),
      };
    },

    async checkLogin(request) {
      const tenant = tenantOf(request);
      const csrfToken = await csrfTokenOf(request);
      await validate(request, { ...tenant, csrfToken, acceptPreLogin: true });
    },

    async logIn(request, login) {
      const tenant = tenantOf(request);
      const { actorId, actorType = "user", appType = "", metadata = {} } = login;
      const tenantId = login.tenantId ?? tenant.tenantId ?? "";
      const ref = { case: "cookieHeader", value: cookiesOf(request) } as const;
      const created = await call(
        client.create({
          actor: { actorId, actorType, tenantId },
          appType,
          metadata: { ...metadata },
          ...duration("idleTimeout", login.idleTimeoutSeconds),
          ...duration("absoluteTimeout", login.absoluteTimeoutSeconds),
          replaces: { ref, ...tenant },
          ...browserOf(request),
        }),
      );
      validated.delete(request);
      const session = present(created.session);
      return {
        session,
        csrfToken: created.csrfToken,
        setCookies: setCookiesFor(request, created.setCookies),
      };
    },

    async logOut(request) {
      const tenant = tenantOf(request);
      const ref = { case: "cookieHeader", value: cookiesOf(request) } as const;
      try {
        const { revoked, setCookies } = await call(client.revoke({ session: { ref, ...tenant } }));
        validated.delete(request);
        return { revoked, setCookies: setCookiesFor(request, setCookies) };
      } catch (error) {
        if (!(error instanceof SessionError) || error.browserStatus !== 401) throw error;
        return { revoked: false, setCookies: [] };
      }
    },

    hasSetCookies: (request) => withSetCookies.has(request),

    refuse(error, request) {
      const { browserStatus: status } = error;
      if (status === 500 || status === 503) tell(error, request);
      return refusal(error);
    },
  };
}

function requireTenant(tenant: unknown): void {
  if (typeof tenant === "function" || (typeof tenant === "string" && tenant !== "")) return;
  throw new TypeError("tenant must be an id or a function; leave it out to accept any tenant");
}

/** A request's target without the query, which can have secrets. */
export function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? "";
}

async function call<T>(response: Promise<T>): Promise<T> {
  try {
    return await response;
  } catch (error) {
    throw sessionError(error);
  }
}

/** An answer without a session is no session, whatever else it says. */
function present(session: Session | undefined): Session {
  if (session !== undefined) return session;
  throw new SessionError("sessiond's answer has no session", { code: Code.Internal });
}

function noCookie(): SessionError {
  return new SessionError("the session cookie is missing or not valid", {
    code: Code.Unauthenticated,
    reason: ErrorReason.INVALID_COOKIE,
    httpStatus: 401,
  });
}

/** Whether the browser has no session for this, which is no failure of anything else. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof SessionError)) return false;
  return error.browserStatus === 401 || error.browserStatus === 403;
}

/** The text of a header's bytes; what is not UTF-8 becomes U+FFFD. */
function decoded(header: string | undefined): string {
  if (header === undefined) return "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is about bytes.
  if (/^[\x00-\x7f]*$/.test(header)) return header;
  return Buffer.from(header, "latin1").toString("utf8");
}

function cut(userAgent: string): string {
  if (userAgent.length <= MAX_USER_AGENT_LENGTH) return userAgent;
  return [...userAgent].slice(0, MAX_USER_AGENT_LENGTH).join("");
}

/** The address without its zone; empty if it is none. */
function validAddress(text: string | undefined): string {
  const [address = ""] = (text ?? "").split("%");
  return isIP(address) === 0 ? "" : address;
}

/**
 * The value of the first of these cookies that has one; empty if there is none. What is no token does
 * not count: pages put it into their markup, and a sibling domain can set such a cookie.
 */
function tokenCookie(header: string, names: readonly string[]): string {
  const pairs = header.split(";").map((pair) => pair.trim());
  for (const name of names) {
    const pair = pairs.find((text) => text.startsWith(`${name}=`));
    const value = pair?.slice(name.length + 1) ?? "";
    if (/^[\w.~+/=-]+$/.test(value)) return value;
  }
  return "";
}

function duration<Name extends string>(name: Name, seconds: number | undefined) {
  if (seconds === undefined) return {};
  if (!Number.isSafeInteger(seconds)) throw new TypeError(`${name}Seconds must be whole seconds`);
  return { [name]: { seconds: BigInt(seconds), nanos: 0 } } as {
    [K in Name]: { seconds: bigint; nanos: number };
  };
}

/**
 * The Set-Cookie headers as they are.
 *
 * @throws SessionError if one of them is not printable ASCII; then none is set. Node would write other
 * characters in one of two encodings, depending on the body that follows.
 */
function headersOf(setCookies: readonly SetCookie[]): string[] {
  return setCookies.map(({ header }) => {
    if (/^[\t\x20-\x7e]+$/.test(header)) return header;
    const message = "sessiond's answer has a cookie that cannot be a header";
    throw new SessionError(message, { code: Code.Internal });
  });
}

const NEUTRAL_DETAILS: Readonly<Record<number, string>> = {
  500: "the request could not be processed",
  503: "the session service is unavailable; retry later",
};

function refusal(error: SessionError): Refusal {
  const { browserStatus: status, reasonName, retryAfterSeconds } = error;
  return {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    },
    body: JSON.stringify({
      title: STATUS_CODES[status] ?? "Error",
      status,
      reason: reasonName || "SERVICE_UNAVAILABLE",
      detail: NEUTRAL_DETAILS[status] ?? error.message,
    }),
    error,
  };
}
