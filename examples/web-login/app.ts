/**
 * An application with pages for logging in and for looking after one's sessions. It keeps no session
 * state: sessiond has it, and the client's middleware asks for it with each request.
 */
import { join } from "node:path";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type Response,
} from "express";
import { createSessions } from "../../clients/typescript/src/express.ts";
import {
  ErrorReason,
  isSessionError,
  type Refusal,
  type RequestSession,
  type Session,
  type SessiondClient,
  sessionError,
} from "../../clients/typescript/src/index.ts";
import { FAILED, loginNoticeFor, messageFor, NO_SUCH_SESSION, NOT_FOUND } from "./failures.ts";
import type { Expiry, Visitor } from "./layout.ts";
import { homePage, loginPage, messagePage, type SessionView, sessionsPage } from "./pages.ts";
import { pageOfForm, returnPath } from "./return-path.ts";
import { createUsers } from "./users.ts";

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** The largest page of List. */
const MAX_SESSIONS = 200;

export interface AppOptions {
  /** Is told of failures that users cannot help. Logs them to the console unless set. */
  readonly onError?: (error: unknown) => void;
}

/** The application on this sessiond. Profiles that users change last as long as the application. */
export function createApp(
  sessiond: SessiondClient,
  { onError = console.error }: AppOptions = {},
): Express {
  const users = createUsers();
  const sessions = createSessions(sessiond, { onError, onRefused: sendRefusal });
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");

  app.use((_req, res, next) => {
    res.set({
      "Content-Security-Policy": CONTENT_SECURITY_POLICY,
      "Referrer-Policy": "same-origin",
      "X-Content-Type-Options": "nosniff",
    });
    next();
  });
  app.use("/static", express.static(join(import.meta.dirname, "public"), { index: false }));
  app.use((_req, res, next) => {
    // After a logout, neither a cache nor the back button may show a personal page.
    res.set("Cache-Control", "no-store");
    next();
  });
  app.use(express.urlencoded({ extended: false, limit: "10kb" }));

  app.get("/login", sessions.optional, async (req, res) => {
    const next = returnPath(req.query.next);
    if (req.sessiond !== undefined) return res.redirect(303, next);
    const csrfToken = await sessions.startLogin(req, res);
    res.send(loginPage({ csrfToken, next, notice: req.query.notice }));
  });

  app.post("/login", async (req, res) => {
    const name = field(req, "name");
    const next = returnPath(field(req, "next"));
    try {
      await sessions.checkLogin(req);
    } catch (error) {
      const { browserStatus } = sessionError(error);
      if (browserStatus !== 401 && browserStatus !== 403) throw error;
      // The form was open for too long, or another site sent it. A new one costs nothing.
      const csrfToken = await sessions.startLogin(req, res);
      const problem = "The form was no longer valid. Try again.";
      res.status(browserStatus).send(loginPage({ csrfToken, next, name, problem }));
      return;
    }
    const userId = users.authenticate(name, field(req, "password"));
    if (userId === undefined) {
      const csrfToken = field(req, "csrf_token");
      const problem = "User name or password is wrong.";
      res.status(422).send(loginPage({ csrfToken, next, name, problem }));
      return;
    }
    await sessions.logIn(req, res, { actorId: userId, appType: "web-login" });
    res.redirect(303, next);
  });

  app.get("/", sessions.required, (req, res) => {
    sendHome(req, res);
  });

  app.post("/name", sessions.required, (req, res) => {
    const { session } = sessions.sessionOf(req);
    const value = field(req, "displayName");
    const problem = users.rename(session.actorId, value);
    if (problem === undefined) res.redirect(303, "/?done=name");
    else sendHome(req, res.status(422), { value, problem });
  });

  app.get("/sessions", sessions.required, async (req, res) => {
    const list = await sessiond.list({
      actor: actorOf(sessions.sessionOf(req).session),
      current: { ref: { case: "cookieHeader", value: req.headers.cookie ?? "" } },
      pageSize: MAX_SESSIONS,
    });
    const page = sessionsPage({
      visitor: visitorOf(req),
      sessions: list.sessions.map(sessionView),
      more: list.nextPageToken !== "",
      now: new Date(),
      done: req.query.done,
    });
    res.send(page);
  });

  app.post("/sessions/end", sessions.required, async (req, res) => {
    const { session } = sessions.sessionOf(req);
    const target = await findSession(field(req, "session"));
    // An id is no credential: anybody may know the id of another user's session.
    if (target === undefined || !isSameActor(target, session)) {
      res.status(404).send(messagePage(NO_SUCH_SESSION));
      return;
    }
    await sessiond.revoke({
      session: { ref: { case: "sessionId", value: target.id } },
      reason: "logout_by_user",
      actingActorId: session.actorId,
    });
    res.redirect(303, "/sessions?done=session");
  });

  app.post("/sessions/end-others", sessions.required, async (req, res) => {
    const { session } = sessions.sessionOf(req);
    await sessiond.revokeAllForActor({
      actor: actorOf(session),
      keep: { ref: { case: "sessionId", value: session.id } },
      reason: "logout_by_user",
      actingActorId: session.actorId,
    });
    res.redirect(303, "/sessions?done=others");
  });

  // Polled by the pages. It must not touch: an open page alone is no activity.
  app.get("/session/status", async (req, res) => {
    const response = await sessiond.validate({
      credential: { case: "cookieHeader", value: req.headers.cookie ?? "" },
    });
    res.json(expiryOf(response));
  });

  app.post("/session/stay", sessions.required, (req, res) => {
    if (wantsJson(req)) res.json(expiryOf(sessions.sessionOf(req)));
    else res.redirect(303, returnPath(field(req, "next")));
  });

  app.post("/logout", sessions.required, async (req, res) => {
    await sessions.logOut(req, res);
    res.redirect(303, "/login?notice=loggedout");
  });

  app.use((_req, res) => {
    res.status(404).send(messagePage(NOT_FOUND));
  });
  app.use(sessions.errorHandler, ((error, _req, res, next) => {
    if (res.headersSent) return next(error);
    // express.urlencoded() refuses what no form of ours sends.
    const status = isRequestError(error) ? error.status : 500;
    if (status === 500) onError(error);
    res.status(status).send(messagePage(FAILED));
  }) satisfies ErrorRequestHandler);
  return app;

  function sendHome(
    req: Request,
    res: Response,
    refusedName?: { value: string; problem: string },
  ): void {
    const { session, idleSecondsLeft, absoluteSecondsLeft } = sessions.sessionOf(req);
    const page = homePage({
      visitor: visitorOf(req),
      userId: session.actorId,
      session: sessionView(session),
      now: new Date(),
      idleSecondsLeft,
      absoluteSecondsLeft,
      done: req.query.done,
      ...(refusedName && { refusedName }),
    });
    res.send(page);
  }

  function visitorOf(req: Request): Visitor {
    const current = sessions.sessionOf(req);
    return {
      displayName: users.displayName(current.session.actorId),
      csrfToken: sessions.csrfToken(req),
      path: req.method === "GET" ? req.path : "/",
      expiry: expiryOf(current),
    };
  }

  async function findSession(id: string): Promise<Session | undefined> {
    try {
      return (await sessiond.get({ session: { ref: { case: "sessionId", value: id } } })).session;
    } catch (error) {
      const { SESSION_NOT_FOUND, INVALID_REQUEST } = ErrorReason;
      if (isSessionError(error, SESSION_NOT_FOUND, INVALID_REQUEST)) return undefined;
      throw error;
    }
  }
}

/** Shows what a failure means for the user. Cookies stay as they are. */
function sendRefusal(refusal: Refusal, req: Request, res: Response): void {
  const { status, headers, body, error } = refusal;
  if (wantsJson(req)) {
    res.status(status).set(headers).end(body);
    return;
  }
  const isSafe = req.method === "GET" || req.method === "HEAD";
  const page = isSafe ? req.originalUrl : pageOfForm(req.headers.referer, req.headers.host);
  if (status === 401 && isSafe) {
    const query = new URLSearchParams({ next: returnPath(page), ...loginNoticeFor(error) });
    res.redirect(303, `/login?${query}`);
    return;
  }
  const { "retry-after": retryAfter } = headers;
  if (retryAfter !== undefined) res.set("Retry-After", retryAfter);
  res.status(status).send(messagePage(messageFor(error, isSafe, returnPath(page))));
}

/** A field of an urlencoded form; empty if it is missing or there are several of the name. */
function field(req: Request, name: string): string {
  const value: unknown = req.body?.[name];
  return typeof value === "string" ? value : "";
}

function wantsJson(req: Request): boolean {
  return req.accepts("html", "json") === "json";
}

function actorOf({ tenantId, actorType, actorId }: Session) {
  return { tenantId, actorType, actorId };
}

function isSameActor(a: Session, b: Session): boolean {
  return a.tenantId === b.tenantId && a.actorType === b.actorType && a.actorId === b.actorId;
}

function sessionView({ id, userAgent, ipAddress, createdAt, lastSeenAt, current }: Session) {
  if (createdAt === undefined || lastSeenAt === undefined) throw new Error("a session has no time");
  return {
    id,
    userAgent,
    ipAddress,
    createdAt: timestampDate(createdAt),
    lastSeenAt: timestampDate(lastSeenAt),
    current,
  } satisfies SessionView;
}

type TimeLeft = Pick<
  RequestSession,
  "secondsLeft" | "idleSecondsLeft" | "absoluteSecondsLeft" | "expiryWarning"
>;

function expiryOf(left: TimeLeft): Expiry {
  return {
    secondsLeft: left.secondsLeft,
    warning: left.expiryWarning,
    canStay: left.idleSecondsLeft < left.absoluteSecondsLeft,
  };
}

function isRequestError(error: unknown): error is { status: number } {
  if (!(error instanceof Error) || !("status" in error)) return false;
  return typeof error.status === "number" && error.status >= 400 && error.status < 500;
}
