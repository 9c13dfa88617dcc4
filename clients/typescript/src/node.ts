/** Sessions for servers of `node:http` without a framework. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { callFailure } from "./errors.ts";
import { answer, createNodeSessions } from "./node-exchange.ts";
import type {
  LoggedIn,
  Login,
  Refusal,
  RequestSession,
  SessionClient,
  SessionsOptions,
} from "./request-sessions.ts";

export interface NodeSessionsOptions extends SessionsOptions<IncomingMessage> {
  /** Answers a refused request instead of the problem document, for example with the login page. */
  readonly onRefused?: (
    refusal: Refusal,
    req: IncomingMessage,
    res: ServerResponse,
  ) => void | Promise<void>;
}

export type RequestWithSession = IncomingMessage & { sessiond: RequestSession };
export type RequestWithOptionalSession = IncomingMessage & {
  sessiond: RequestSession | undefined;
};

type Handler<Request> = (req: Request, res: ServerResponse) => unknown;

/**
 * Answers the handler's failed calls, which are SessionErrors and the client's own ConnectErrors. Its
 * promise rejects with what else the handler throws.
 */
type Listener = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

export interface NodeSessions {
  /** Calls the handler with the session in `req.sessiond`, or refuses the request. */
  required(handler: Handler<RequestWithSession>): Listener;
  /** Calls the handler, also if the browser has no live session. */
  optional(handler: Handler<RequestWithOptionalSession>): Listener;
  /** Calls the handler without a session and answers its failed calls: for the routes of the login. */
  handle(handler: Handler<IncomingMessage>): Listener;
  /**
   * The token for the hidden fields `csrf_token` of a page's forms: the value of the request's CSRF
   * cookie, empty if there is none. It is checked when a form comes back. After `logIn`, take its result.
   */
  csrfToken(req: IncomingMessage): string;
  /** For the page with the login form: returns the CSRF token to put into the form. */
  startLogin(req: IncomingMessage, res: ServerResponse): Promise<string>;
  /** For the login form's POST, before the password is looked at: checks the CSRF token. */
  checkLogin(req: IncomingMessage): Promise<void>;
  /** Opens the session of a user who has just been authenticated, and sets its cookies. */
  logIn(req: IncomingMessage, res: ServerResponse, login: Login): Promise<LoggedIn>;
  /** Ends the browser's session and clears its cookies. Only in a handler of `required`. */
  logOut(req: IncomingMessage, res: ServerResponse): Promise<{ revoked: boolean }>;
}

/** Sessions for a server of `node:http`. */
export function createSessions(
  client: SessionClient,
  options: NodeSessionsOptions = {},
): NodeSessions {
  const sessions = createNodeSessions<IncomingMessage, ServerResponse>(client, options);
  const { onRefused = answer } = options;

  async function answering(
    req: IncomingMessage,
    res: ServerResponse,
    handler: () => unknown,
  ): Promise<void> {
    try {
      await handler();
    } catch (thrown) {
      const error = callFailure(thrown);
      if (error === undefined || res.headersSent) throw thrown;
      await onRefused(sessions.refuse(error, req, res), req, res);
    }
  }

  return {
    required: (handler) => (req, res) =>
      answering(req, res, async () => {
        const sessiond = await sessions.required(req);
        return handler(Object.assign(req, { sessiond }), res);
      }),
    optional: (handler) => (req, res) =>
      answering(req, res, async () => {
        const sessiond = await sessions.optional(req);
        return handler(Object.assign(req, { sessiond }), res);
      }),
    handle: (handler) => (req, res) => answering(req, res, () => handler(req, res)),
    startLogin: sessions.startLogin,
    csrfToken: sessions.csrfToken,
    checkLogin: sessions.checkLogin,
    logIn: sessions.logIn,
    logOut: sessions.logOut,
  };
}
