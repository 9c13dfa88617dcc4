/**
 * A web backend that uses sessiond for its sessions, with the TypeScript client: a login form, a page
 * that says who is logged in, a change, a logout. The backend itself is stateless. Run it with
 * `npm run example`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
// In a project of your own, from "sessiond-client" and "sessiond-client/node".
import { connect } from "../clients/typescript/src/index.ts";
import { createSessions } from "../clients/typescript/src/node.ts";

const address = process.env.SESSIOND_URL ?? "http://127.0.0.1:8480";
const port = Number(process.env.PORT ?? 3000);

// README: begin
const sessions = createSessions(connect(address));

const showLoginForm = sessions.handle(async (req, res) => {
  const csrfToken = await sessions.startLogin(req, res);
  res.setHeader("Content-Type", "text/html");
  res.end(`<form method="post">
    <input name="user"><input type="hidden" name="csrf_token" value="${csrfToken}">
    <button>Log in</button></form>`);
});

const logIn = sessions.handle(async (req, res) => {
  // Refuses a form that another site has sent.
  await sessions.checkLogin(req);
  const form = new URLSearchParams(await text(req));
  // Authenticate the user here, for example by password.
  const { session } = await sessions.logIn(req, res, { actorId: form.get("user") ?? "" });
  res.end(`Welcome, ${session.actorId}\n`);
});

const showMe = sessions.required((req, res) => {
  const { session, secondsLeft } = req.sessiond;
  res.end(`You are ${session.actorId} for another ${secondsLeft} seconds\n`);
});

// A POST reaches its handler only with the CSRF token, in the form or in the header X-CSRF-Token.
const changeSomething = sessions.required((req, res) => {
  res.end(`Changed for ${req.sessiond.session.actorId}\n`);
});

const logOut = sessions.required(async (req, res) => {
  await sessions.logOut(req, res);
  res.end("Goodbye\n");
});
// README: end

const routes: Record<string, (req: IncomingMessage, res: ServerResponse) => Promise<void>> = {
  "GET /login": showLoginForm,
  "POST /login": logIn,
  "GET /me": showMe,
  "POST /change": changeSomething,
  "POST /logout": logOut,
};

const server = createServer((req, res) => {
  const { pathname } = new URL(req.url ?? "/", "http://localhost");
  const route = routes[`${req.method} ${pathname}`];
  if (route === undefined) {
    res.statusCode = 404;
    res.end();
    return;
  }
  route(req, res).catch((error: unknown) => {
    console.error(error);
    res.destroy();
  });
});
server.listen(port, "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : port}`);
});
