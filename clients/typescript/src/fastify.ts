/** Sessions for Fastify 5. For forms, register @fastify/formbody. */
import type { FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from "fastify";
import { callFailure } from "./errors.ts";
import { isForm, parsedField } from "./form-body.ts";
import {
  createRequestSessions,
  type LoggedIn,
  type Login,
  pathOf,
  type Refusal,
  type RequestReader,
  type RequestSession,
  type SessionClient,
  type SessionsOptions,
} from "./request-sessions.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The session, after `required`, or after `optional` if there is one. */
    sessiond?: RequestSession | undefined;
  }
}

export interface FastifySessionsOptions extends SessionsOptions<FastifyRequest> {
  /** Answers a refused request instead of the problem document, for example with a redirect. */
  readonly onRefused?: (refusal: Refusal, request: FastifyRequest, reply: FastifyReply) => unknown;
}

export interface FastifySessions {
  /** A preHandler: goes on with the session in `request.sessiond`, or refuses the request. */
  readonly required: preHandlerAsyncHookHandler;
  /** A preHandler: goes on, also if the browser has no live session. */
  readonly optional: preHandlerAsyncHookHandler;
  /**
   * For `setErrorHandler`: answers failed calls of handlers as `required` does: SessionErrors, such as
   * those of `logIn`, and ConnectErrors, which are the client's own.
   */
  errorHandler(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
  /** The session of a request after `required`. */
  sessionOf(request: FastifyRequest): RequestSession;
  /**
   * The token for the hidden fields `csrf_token` of a page's forms: the value of the request's CSRF
   * cookie, empty if there is none. It is checked when a form comes back. After `logIn`, take its result.
   */
  csrfToken(request: FastifyRequest): string;
  /** For the page with the login form: returns the CSRF token to put into the form. */
  startLogin(request: FastifyRequest, reply: FastifyReply): Promise<string>;
  /** For the login form's POST, before the password is looked at: checks the CSRF token. */
  checkLogin(request: FastifyRequest): Promise<void>;
  /** Opens the session of a user who has just been authenticated, and sets its cookies. */
  logIn(request: FastifyRequest, reply: FastifyReply, login: Login): Promise<LoggedIn>;
  /** Ends the browser's session and clears its cookies. Only after `required`. */
  logOut(request: FastifyRequest, reply: FastifyReply): Promise<{ revoked: boolean }>;
}

const reader: RequestReader<FastifyRequest> = {
  method: (request) => request.method,
  path: (request) => pathOf(request.url),
  header(request, name) {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  },
  peerAddress: (request) => request.ip,
  async formField(request, name) {
    const { body } = request;
    return isForm(request.headers["content-type"]) ? parsedField(body, name) : undefined;
  },
  log: (error, request) => request.log.error(error),
};

/** Sessions for an application of Fastify. Outages are logged by its logger unless `onError` is set. */
export function createSessions(
  client: SessionClient,
  options: FastifySessionsOptions = {},
): FastifySessions {
  const sessions = createRequestSessions(client, options, reader);
  const { onRefused = answer } = options;

  async function refuse(
    thrown: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const error = callFailure(thrown);
    if (error === undefined) throw thrown;
    if (sessions.hasSetCookies(request)) reply.removeHeader("set-cookie");
    await onRefused(sessions.refuse(error, request), request, reply);
    // Tells Fastify that the request has been answered.
    return reply;
  }

  const middleware =
    (
      load: (request: FastifyRequest) => Promise<RequestSession | undefined>,
    ): preHandlerAsyncHookHandler =>
    async (request, reply) => {
      try {
        request.sessiond = await load(request);
        return undefined;
      } catch (error) {
        return refuse(error, request, reply);
      }
    };

  return {
    required: middleware(sessions.required),
    optional: middleware(sessions.optional),
    errorHandler: refuse,
    sessionOf,
    async startLogin(request, reply) {
      const { csrfToken, setCookies } = await sessions.startLogin(request);
      appendCookies(reply, setCookies);
      return csrfToken;
    },
    csrfToken: sessions.csrfToken,
    checkLogin: sessions.checkLogin,
    async logIn(request, reply, login) {
      const { setCookies, ...loggedIn } = await sessions.logIn(request, login);
      appendCookies(reply, setCookies);
      return loggedIn;
    },
    async logOut(request, reply) {
      const { setCookies, revoked } = await sessions.logOut(request);
      appendCookies(reply, setCookies);
      return { revoked };
    },
  };
}

function sessionOf(request: FastifyRequest): RequestSession {
  if (request.sessiond !== undefined) return request.sessiond;
  throw new Error("the request has no session: use `required` as its preHandler");
}

function appendCookies(reply: FastifyReply, setCookies: readonly string[]): void {
  // Fastify adds a Set-Cookie to those that are there.
  for (const header of setCookies) reply.header("set-cookie", header);
}

function answer(refusal: Refusal, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // Not as a string: Fastify would add a charset, which JSON does not have.
  const body = Buffer.from(refusal.body);
  return reply.code(refusal.status).headers(refusal.headers).send(body);
}
