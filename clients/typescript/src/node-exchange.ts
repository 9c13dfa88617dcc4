/** What the middlewares for `node:http` and express share. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionError } from "./errors.ts";
import { isForm, parsedField, peekForm } from "./form-body.ts";
import {
  createRequestSessions,
  type LoggedIn,
  type Login,
  pathOf,
  type Refusal,
  type RequestReader,
  type SessionClient,
  type SessionsOptions,
} from "./request-sessions.ts";

const nodeReader: RequestReader<IncomingMessage> = {
  method: (req) => req.method ?? "",
  path(req) {
    // What a router of express has taken off is still there.
    const { originalUrl = req.url } = req as { originalUrl?: string };
    return pathOf(originalUrl ?? "");
  },
  header(req, name) {
    const value = req.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  },
  peerAddress: (req) => req.socket.remoteAddress,
  async formField(req, name, limitBytes) {
    if (!isForm(req.headers["content-type"])) return undefined;
    const { body } = req as { body?: unknown };
    const parsed = parsedField(body, name);
    if (parsed !== undefined) return parsed;
    return (await peekForm(req, limitBytes))?.get(name) ?? undefined;
  },
  log: (error) => console.error(error),
};

/** The rules for requests of `node:http`, with the cookies set on its responses. */
export function createNodeSessions<Req extends IncomingMessage, Res extends ServerResponse>(
  client: SessionClient,
  options: SessionsOptions<Req>,
) {
  const sessions = createRequestSessions<Req>(client, options, nodeReader);
  return {
    required: sessions.required,
    optional: sessions.optional,
    refuse(error: SessionError, req: Req, res: Res): Refusal {
      if (sessions.hasSetCookies(req)) res.removeHeader("Set-Cookie");
      return sessions.refuse(error, req);
    },
    csrfToken: sessions.csrfToken,
    checkLogin: sessions.checkLogin,
    async startLogin(req: Req, res: Res): Promise<string> {
      const { csrfToken, setCookies } = await sessions.startLogin(req);
      appendCookies(res, setCookies);
      return csrfToken;
    },
    async logIn(req: Req, res: Res, login: Login): Promise<LoggedIn> {
      const { setCookies, ...loggedIn } = await sessions.logIn(req, login);
      appendCookies(res, setCookies);
      return loggedIn;
    },
    async logOut(req: Req, res: Res): Promise<{ revoked: boolean }> {
      const { setCookies, revoked } = await sessions.logOut(req);
      appendCookies(res, setCookies);
      return { revoked };
    },
  };
}

function appendCookies(res: ServerResponse, setCookies: readonly string[]): void {
  for (const header of setCookies) res.appendHeader("Set-Cookie", header);
}

/** Answers with the problem document. */
export function answer(refusal: Refusal, _req: IncomingMessage, res: ServerResponse): void {
  res.statusCode = refusal.status;
  for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value);
  res.end(refusal.body);
}
