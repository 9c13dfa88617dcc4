/**
 * A web backend that uses sessiond for its sessions: log in, show the user, change data, log out. The
 * backend itself is stateless. Run it with `npm run example`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorDetailSchema } from "../gen/es/sessiond/v1/error_pb.ts";
import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";

const baseUrl = process.env.SESSIOND_URL ?? "http://127.0.0.1:8480";
const port = Number(process.env.PORT ?? 3000);

// README: begin
const sessiond = createClient(SessionService, createGrpcTransport({ baseUrl }));

/** The browser's address and user agent. Behind a proxy, the address is in a header of the proxy. */
function browser(req: IncomingMessage) {
  const [ipAddress = ""] = (req.socket.remoteAddress ?? "").split("%");
  return { ipAddress, userAgent: req.headers["user-agent"] ?? "" };
}

/** The whole Cookie header: sessiond finds its own cookies in it. */
function cookies(req: IncomingMessage) {
  return { case: "cookieHeader", value: req.headers.cookie ?? "" } as const;
}

/** The session of a request. Rejects if there is no live session. */
function sessionOf(req: IncomingMessage) {
  return sessiond.validate({ credential: cookies(req), touch: true, ...browser(req) });
}

/** The same for a request that changes data: it must have the CSRF token in a header. */
function sessionOfChange(req: IncomingMessage) {
  // The page's script reads it from the CSRF cookie; other sites cannot.
  const csrfToken = String(req.headers["x-csrf-token"] ?? "");
  const credential = cookies(req);
  return sessiond.validate({ credential, csrfToken, touch: true, ...browser(req) });
}

async function logIn(req: IncomingMessage, res: ServerResponse, actorId: string) {
  // Call this only after you have authenticated the user, for example by password.
  const login = await sessiond.create({
    actor: { actorType: "user", actorId },
    replaces: { ref: cookies(req) },
    ...browser(req),
  });
  res.setHeader(
    "Set-Cookie",
    login.setCookies.map((cookie) => cookie.header),
  );
  res.end(`Welcome, ${actorId}\n`);
}

async function showMe(req: IncomingMessage, res: ServerResponse) {
  const { session, secondsLeft } = await sessionOf(req);
  res.end(`You are ${session?.actorId} for another ${secondsLeft} seconds\n`);
}

async function changeSomething(req: IncomingMessage, res: ServerResponse) {
  const { session } = await sessionOfChange(req);
  res.end(`Changed for ${session?.actorId}\n`);
}

async function logOut(req: IncomingMessage, res: ServerResponse) {
  await sessionOfChange(req);
  const revoked = await sessiond.revoke({ session: { ref: cookies(req) } });
  res.setHeader(
    "Set-Cookie",
    revoked.setCookies.map((cookie) => cookie.header),
  );
  res.end("Goodbye\n");
}

/** sessiond tells which HTTP status to send for an error. Without this detail, it is an outage. */
function sendError(res: ServerResponse, error: unknown) {
  const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
  res.statusCode = detail?.httpStatus ?? 503;
  res.end();
}
// README: end

async function route(req: IncomingMessage, res: ServerResponse) {
  const { pathname, searchParams } = new URL(req.url ?? "/", "http://localhost");
  switch (`${req.method} ${pathname}`) {
    case "POST /login":
      return logIn(req, res, searchParams.get("user") ?? "");
    case "GET /me":
      return showMe(req, res);
    case "POST /change":
      return changeSomething(req, res);
    case "POST /logout":
      return logOut(req, res);
    default:
      res.statusCode = 404;
      res.end();
  }
}

const server = createServer((req, res) => {
  route(req, res).catch((error: unknown) => sendError(res, error));
});
server.listen(port, "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : port}`);
});
