/** Sessions for Hono 4. */
import type { Context, ErrorHandler, MiddlewareHandler } from "hono";
import { callFailure } from "./errors.ts";
import { isForm } from "./form-body.ts";
import {
  createRequestSessions,
  type LoggedIn,
  type Login,
  type Refusal,
  type RequestReader,
  type RequestSession,
  type SessionClient,
  type SessionsOptions,
} from "./request-sessions.ts";

export interface HonoSessionsOptions extends SessionsOptions<Context> {
  /** Answers a refused request instead of the problem document, for example with a redirect. */
  readonly onRefused?: (refusal: Refusal, c: Context) => Response | Promise<Response>;
}

export interface HonoSessions {
  /** Goes on with the session as `c.get("sessiond")`, or refuses the request. */
  readonly required: MiddlewareHandler<{ Variables: { sessiond: RequestSession } }>;
  /** Goes on, also if the browser has no live session. */
  readonly optional: MiddlewareHandler<{ Variables: { sessiond: RequestSession | undefined } }>;
  /**
   * For `app.onError`: answers failed calls of handlers as `required` does: SessionErrors, such as those
   * of `logIn`, and ConnectErrors, which are the client's own. Other errors as Hono does.
   */
  readonly onError: ErrorHandler;
  /**
   * The token for the hidden fields `csrf_token` of a page's forms: the value of the request's CSRF
   * cookie, empty if there is none. It is checked when a form comes back. After `logIn`, take its result.
   */
  csrfToken(c: Context): string;
  /** For the page with the login form: returns the CSRF token to put into the form. */
  startLogin(c: Context): Promise<string>;
  /** For the login form's POST, before the password is looked at: checks the CSRF token. */
  checkLogin(c: Context): Promise<void>;
  /** Opens the session of a user who has just been authenticated, and sets its cookies. */
  logIn(c: Context, login: Login): Promise<LoggedIn>;
  /** Ends the browser's session and clears its cookies. Only after `required`. */
  logOut(c: Context): Promise<{ revoked: boolean }>;
}

const reader: RequestReader<Context> = {
  method: (c) => c.req.method,
  path: (c) => c.req.path,
  header: (c, name) => c.req.header(name),
  // As @hono/node-server has it. Elsewhere, the option clientIp tells.
  peerAddress: (c) => c.env?.incoming?.socket?.remoteAddress,
  async formField(c, name, limitBytes) {
    if (!isForm(c.req.header("content-type"))) return undefined;
    // A handler has had it parsed; Hono keeps the result, and could not make the same text of it.
    if (c.req.bodyCache.formData) {
      const value = (await c.req.formData()).get(name);
      return typeof value === "string" ? value : undefined;
    }
    const body = await readBody(c, limitBytes);
    return body === undefined ? undefined : (new URLSearchParams(body).get(name) ?? undefined);
  },
  log: (error) => console.error(error),
};

/** The text of the body, which the handler can still read; undefined above the limit. */
async function readBody(c: Context, limitBytes: number): Promise<string | undefined> {
  // Somebody has read it through Hono, which keeps it.
  if (c.req.raw.bodyUsed) return c.req.text();
  const reader = c.req.raw.clone().body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const chunk = await reader?.read();
    if (chunk?.value === undefined) return text + decoder.decode();
    size += chunk.value.byteLength;
    if (size > limitBytes) {
      // Not awaited: it ends with the other copy of the body, which is for the handler.
      reader?.cancel().catch(() => {});
      return undefined;
    }
    text += decoder.decode(chunk.value, { stream: true });
  }
}

/** Sessions for an application of Hono. */
export function createSessions(
  client: SessionClient,
  options: HonoSessionsOptions = {},
): HonoSessions {
  const sessions = createRequestSessions<Context>(client, options, reader);
  const { onRefused = answer } = options;

  async function refuse(thrown: unknown, c: Context): Promise<Response> {
    const error = callFailure(thrown);
    if (error === undefined) throw thrown;
    if (sessions.hasSetCookies(c)) c.header("Set-Cookie", undefined);
    return onRefused(sessions.refuse(error, c), c);
  }

  return {
    required: async (c, next) => {
      try {
        c.set("sessiond", await sessions.required(c));
      } catch (error) {
        return refuse(error, c);
      }
      return next();
    },
    optional: async (c, next) => {
      try {
        c.set("sessiond", await sessions.optional(c));
      } catch (error) {
        return refuse(error, c);
      }
      return next();
    },
    onError: (error, c) => {
      if (callFailure(error) !== undefined) return refuse(error, c);
      if ("getResponse" in error) return error.getResponse();
      console.error(error);
      return c.text("Internal Server Error", 500);
    },
    async startLogin(c) {
      const { csrfToken, setCookies } = await sessions.startLogin(c);
      appendCookies(c, setCookies);
      return csrfToken;
    },
    csrfToken: sessions.csrfToken,
    checkLogin: sessions.checkLogin,
    async logIn(c, login) {
      const { setCookies, ...loggedIn } = await sessions.logIn(c, login);
      appendCookies(c, setCookies);
      return loggedIn;
    },
    async logOut(c) {
      const { setCookies, revoked } = await sessions.logOut(c);
      appendCookies(c, setCookies);
      return { revoked };
    },
  };
}

function appendCookies(c: Context, setCookies: readonly string[]): void {
  for (const header of setCookies) c.header("Set-Cookie", header, { append: true });
}

function answer({ status, headers, body }: Refusal): Response {
  return new Response(body, { status, headers: { ...headers } });
}
