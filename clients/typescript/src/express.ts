/** Sessions for express 4 and 5. */
import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from "express";
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

declare global {
  namespace Express {
    interface Request {
      /** The session, after `required`, or after `optional` if there is one. */
      sessiond?: RequestSession | undefined;
    }
  }
}

export interface ExpressSessionsOptions extends SessionsOptions<Request> {
  /** Answers a refused request instead of the problem document, for example with a redirect. */
  readonly onRefused?: (
    refusal: Refusal,
    req: Request,
    res: Response,
    next: NextFunction,
  ) => void | Promise<void>;
}

export interface ExpressSessions {
  /** Goes on with the session in `req.sessiond`, or refuses the request. */
  readonly required: RequestHandler;
  /** Goes on, also if the browser has no live session. */
  readonly optional: RequestHandler;
  /**
   * Answers failed calls of handlers as `required` does: SessionErrors, such as those of `logIn`, and
   * ConnectErrors, which are the client's own. Mount it after the routes.
   */
  readonly errorHandler: ErrorRequestHandler;
  /** The session of a request after `required`. */
  sessionOf(req: Request): RequestSession;
  /**
   * The token for the hidden fields `csrf_token` of a page's forms: the value of the request's CSRF
   * cookie, empty if there is none. It is checked when a form comes back. After `logIn`, take its result.
   */
  csrfToken(req: Request): string;
  /** For the page with the login form: returns the CSRF token to put into the form. */
  startLogin(req: Request, res: Response): Promise<string>;
  /** For the login form's POST, before the password is looked at: checks the CSRF token. */
  checkLogin(req: Request): Promise<void>;
  /** Opens the session of a user who has just been authenticated, and sets its cookies. */
  logIn(req: Request, res: Response, login: Login): Promise<LoggedIn>;
  /** Ends the browser's session and clears its cookies. Only after `required`. */
  logOut(req: Request, res: Response): Promise<{ revoked: boolean }>;
}

/** Sessions for an application of express. */
export function createSessions(
  client: SessionClient,
  options: ExpressSessionsOptions = {},
): ExpressSessions {
  // The peer's address, or that of a proxy's header if the application trusts the proxy.
  const ofExpress = { clientIp: (req: Request) => req.ip, ...options };
  const sessions = createNodeSessions<Request, Response>(client, ofExpress);
  const { onRefused = answer } = options;

  function refuse(thrown: unknown, req: Request, res: Response, next: NextFunction): void {
    const answered = async () => {
      const error = callFailure(thrown);
      if (error === undefined || res.headersSent) throw thrown;
      await onRefused(sessions.refuse(error, req, res), req, res, next);
    };
    answered().catch(next);
  }

  const middleware =
    (load: (req: Request) => Promise<RequestSession | undefined>): RequestHandler =>
    (req, res, next) => {
      // Not in the same chain: an error of the handlers that follow is not one of this call.
      load(req).then(
        (session) => {
          req.sessiond = session;
          next();
        },
        (error: unknown) => refuse(error, req, res, next),
      );
    };

  return {
    required: middleware(sessions.required),
    optional: middleware(sessions.optional),
    errorHandler: (error: unknown, req, res, next) => refuse(error, req, res, next),
    sessionOf,
    startLogin: sessions.startLogin,
    csrfToken: sessions.csrfToken,
    checkLogin: sessions.checkLogin,
    logIn: sessions.logIn,
    logOut: sessions.logOut,
  };
}

function sessionOf(req: Request): RequestSession {
  if (req.sessiond !== undefined) return req.sessiond;
  throw new Error("the request has no session: use `required` before this handler");
}
