/**
 * A web backend that leaves its sessions to sessiond: log in, see who you are, change something,
 * log out. It keeps no state of its own. Run it with `node examples/backend.ts`.
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

/** Where a request comes from. Behind a proxy, the address is in a header that it sets. */
function browser(req: IncomingMessage) {
  const [ipAddress = ""] = (req.socket.remoteAddress ?? "").split("%");
  return { ipAddress, userAgent: req.headers["user-agent"] ?? "" };
}

/** The cookies as they came: sessiond finds its own among them. */
function cookies(req: IncomingMessage) {
  return { case: "cookieHeader", value: req.headers.cookie ?? "" } as const;
}

/** The session of a request; rejects if there is none that is live. */
function sessionOf(req: IncomingMessage) {
  return sessiond.validate({ credential: cookies(req), touch: true, ...browser(req) });
}

/** The same for a request that changes something: it must show the CSRF token in a header. */
function sessionOfChange(req: IncomingMessage) {
  // The page's script reads it from the CSRF cookie; other sites cannot.
  const csrfToken = String(req.headers["x-csrf-token"] ?? "");
  const credential = cookies(req);
  return sessiond.validate({ credential, csrfToken, touch: true, ...browser(req) });
}

async function logIn(req: IncomingMessage, res: ServerResponse, actorId: string) {
  // Only after the password, or whatever proves who it is, has been checked.
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

/** sessiond says which status each refusal is for a browser; without its word it is an outage. */
function refuse(res: ServerResponse, error: unknown) {
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
  route(req, res).catch((error: unknown) => refuse(res, error));
});
server.listen(port, "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : port}`);
});
