/**
 * An application behind Envoy. It opens and ends sessions with sessiond's client, and does nothing else
 * about them: for all other requests it believes the headers that Envoy has set.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
// In a project of your own, from "sessiond-client".
import { connect } from "../../clients/typescript/src/index.ts";

const sessiond = connect(process.env.SESSIOND_URL ?? "http://127.0.0.1:8480");

const LOGIN_FORM = `<!doctype html>
<title>Log in</title>
<form method="post">
<label>User <input name="user" required></label>
<label>Level <input name="level" type="number" value="1" min="0"></label>
<button>Log in</button>
</form>
`;

function showLoginForm(res: ServerResponse): void {
  res.setHeader("content-type", "text/html; charset=utf-8");
  res.end(LOGIN_FORM);
}

/** Here the password would be checked. */
async function logIn(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const form = new URLSearchParams(await text(req));
  const { session, csrfToken, setCookies } = await sessiond.create({
    actor: { actorType: "user", actorId: form.get("user") ?? "" },
    authLevel: Number(form.get("level") ?? 1),
    // Envoy sets it, in the place of what a client has sent.
    ipAddress: String(req.headers["x-client-address"] ?? ""),
    userAgent: req.headers["user-agent"] ?? "",
    replaces: { ref: { case: "cookieHeader", value: req.headers.cookie ?? "" } },
  });
  res.setHeader(
    "set-cookie",
    setCookies.map(({ header }) => header),
  );
  answer(res, { actorId: session?.actorId, csrfToken });
}

/** Envoy has checked the session and its CSRF token. */
async function logOut(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { setCookies } = await sessiond.revoke({
    session: { ref: { case: "cookieHeader", value: req.headers.cookie ?? "" } },
  });
  res.setHeader(
    "set-cookie",
    setCookies.map(({ header }) => header),
  );
  answer(res, { loggedOut: true });
}

function answer(res: ServerResponse, body: object): void {
  res.setHeader("content-type", "application/json");
  res.end(`${JSON.stringify(body)}\n`);
}

const server = createServer(async (req, res) => {
  try {
    const { pathname } = new URL(`http://application${req.url}`);
    const route = `${req.method} ${pathname}`;
    if (route === "GET /login") showLoginForm(res);
    else if (route === "POST /login") await logIn(req, res);
    else if (route === "POST /logout") await logOut(req, res);
    else answer(res, { method: req.method, path: req.url, headers: req.headers });
  } catch (error) {
    console.error(error);
    res.statusCode = 500;
    res.end();
  }
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
});
