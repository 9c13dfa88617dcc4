import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { endEnvoy, startEnvoy } from "../http2-tools/envoy.ts";
import { run } from "../http2-tools/run-tool.ts";
import { findTool } from "../http2-tools/tool-server.ts";
import { type OpenedSession, openSession } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { startSessiond } from "../support/sessiond-process.ts";
import { parseSetCookie } from "../support/set-cookie-parser.ts";
import { AUDIENCE, ISSUER, TOKENS_ENV } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { cookieHeader, reasonOf } from "./check-client.ts";
import {
  connectionManagerOf,
  type EnvoyConfiguration,
  SHIPPED_CONFIGURATION,
  setCheckTimeout,
  shippedConfiguration,
} from "./shipped-envoy.ts";

const REQUESTS = 10_000;
const AT_ONCE = 64;
const SESSIONS = 20;

const identityNames = ["id", "actor-id", "actor-type", "tenant-id", "auth-level"].map(
  (name) => `x-session-${name}`,
);
const forgedIdentity = Object.fromEntries(
  identityNames.map((name) => [name.toUpperCase(), "forged"]),
);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly setCookies: readonly string[];
  readonly body: string;
}

/** A filter that requires a token for the audience on all routes. */
function jwtFilter(keys: string, audience: string) {
  return {
    name: "envoy.filters.http.jwt_authn",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
      providers: {
        sessiond: {
          issuer: ISSUER,
          audiences: [audience],
          from_headers: [{ name: "x-session-token" }],
          forward: true,
          local_jwks: { inline_string: keys },
        },
      },
      rules: [{ match: { prefix: "/" }, requires: { provider_name: "sessiond" } }],
    },
  };
}

describe("a real Envoy with the shipped configuration", function () {
  // Slow machines start several programs here.
  this.timeout("5m");

  const stack = new AsyncDisposableStack();
  const settings = {
    SESSIOND_BIND_IP: "true",
    SESSIOND_EXT_AUTHZ_LOGIN_URL: "/login?next={path}",
  };
  const agent = new Agent({ keepAlive: true });
  let program = "";
  let directory = "";
  let app: TestApp;
  let database: DatabaseProxy;
  let sessiond: Replica;
  let application = "";
  let envoy = "";

  before(async function () {
    program = findTool("envoy") ?? "";
    if (program === "") this.skip();
    directory = await mkdtemp(join(tmpdir(), "sessiond-envoy-"));
    stack.defer(() => agent.destroy());
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    app = await startTestApp();
    stack.defer(() => app.stop());
    database = await startDatabaseProxy(app.database.url);
    stack.defer(() => database.close());
    sessiond = await startReplica(database.url, { env: settings });
    stack.defer(() => sessiond.stop());
    const children = new Set<ChildProcess>();
    const upstream = startSessiond(
      {
        script: "deploy/envoy/upstream.ts",
        env: { SESSIOND_URL: sessiond.url, PORT: "0" },
      },
      children,
    );
    stack.defer(async () => {
      await upstream.end("SIGKILL");
    });
    application = await upstream.says(/(http:\S+)\n/);
    const configuration = await shippedConfiguration({ application, sessiond: sessiond.url });
    setCheckTimeout(configuration, "60s");
    envoy = await start(configuration);
  });
  after(() => stack.disposeAsync());

  async function start(configuration: EnvoyConfiguration): Promise<string> {
    let files = 0;
    const { child, envoy } = await startEnvoy(program, configuration, async (name, content) => {
      files += 1;
      const path = join(await mkdtemp(join(directory, `${files}-`)), name);
      await writeFile(path, content);
      return path;
    });
    stack.defer(() => endEnvoy(child));
    return envoy.url;
  }

  /** Without the headers that fetch adds, such as sec-fetch-mode. */
  async function ask(
    method: string,
    url: string,
    headers: Record<string, string> = {},
    body = "",
  ): Promise<Answer> {
    const asking = request(url, { method, headers, agent }).end(body);
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      setCookies: response.headers["set-cookie"] ?? [],
      body: await text(response),
    };
  }

  function get(path: string, headers: Record<string, string> = {}, base = envoy): Promise<Answer> {
    return ask("GET", base + path, headers);
  }

  /** The headers about the session that the application has received. */
  function identityOf({ body }: Answer): Record<string, string> {
    const { headers } = JSON.parse(body) as { headers: Record<string, string> };
    const identity = Object.entries(headers).filter(([name]) => name.startsWith("x-session-"));
    return Object.fromEntries(identity);
  }

  async function logIn(user: string, level = 1) {
    const form = new URLSearchParams({ user, level: String(level) });
    const answer = await ask("POST", `${envoy}/login`, {}, form.toString());
    expect(answer.status, answer.body).to.equal(200);
    const cookies = answer.setCookies.map(parseSetCookie).filter(({ value }) => value !== "");
    const { csrfToken } = JSON.parse(answer.body) as { csrfToken: string };
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
    return { cookie, csrfToken };
  }

  it("takes the configuration as it is", async () => {
    const outcome = await run(program, "--mode", "validate", "-c", SHIPPED_CONFIGURATION);
    expect(outcome.code, outcome.stderr).to.equal(0);
  });

  it("G01, G06, G07: login opens the protected page, which is closed before", async () => {
    const closed = await get("/orders?page=2");
    expect(closed.status).to.equal(401);
    expect(closed.headers["content-type"]).to.equal("application/json");
    expect(closed.headers["cache-control"]).to.equal("no-store");
    expect(JSON.parse(closed.body)).to.deep.equal({
      status: 401,
      reason: "INVALID_COOKIE",
      message: "the session cookie is missing or not valid",
    });
    const navigation = await get("/orders?page=2", { "sec-fetch-mode": "navigate" });
    expect(navigation.status).to.equal(302);
    expect(navigation.headers.location).to.equal("/login?next=%2Forders%3Fpage%3D2");

    const { cookie } = await logIn("alice");
    const open = await get("/orders", { cookie });
    expect(open.status, open.body).to.equal(200);
    const identity = identityOf(open);
    expect(identity["x-session-actor-id"]).to.equal("alice");
    expect(Object.keys(identity)).to.have.members(identityNames);
  });

  it("G07: a browser logs in on the page that it is sent to", async () => {
    const { headers } = await get("/orders", { "sec-fetch-mode": "navigate" });
    const page = headers.location ?? "";
    const form = await get(page);
    expect(form.headers["content-type"]).to.match(/^text\/html/);
    expect(form.body).to.match(/<form method="post">[\s\S]* name="user"/);
    const loggedIn = await ask("POST", envoy + page, {}, "user=lara&level=1");
    const cookie = loggedIn.setCookies.map((header) => header.split(";")[0]).join("; ");
    expect(identityOf(await get("/orders", { cookie }))["x-session-actor-id"]).to.equal("lara");
  });

  it("G10: routes ask for a level, or for no session", async () => {
    const { cookie } = await logIn("bob");
    const administrator = await logIn("carol", 2);
    expect((await get("/admin", { cookie })).status).to.equal(403);
    expect((await get("/admin", { cookie: administrator.cookie })).status).to.equal(200);
    const anonymous = await get("/optional");
    expect(anonymous.status).to.equal(200);
    expect(identityOf(anonymous)).to.deep.equal({});
    const known = identityOf(await get("/optional", { cookie }));
    expect(known["x-session-actor-id"]).to.equal("bob");
    expect((await get("/public/logo.svg")).status).to.equal(200);
  });

  it("a path cannot be written so that it matches another route", async () => {
    for (const path of ["/public/..%2fadmin", "/public%2f..%2fadmin", "/publicity"]) {
      const { status } = await get(path);
      expect([307, 401], path).to.include(status);
    }
    const { cookie } = await logIn("ruth");
    for (const path of ["/ADMIN", "/Admin/users", "/admin;x=1", "/admin;x=1/users"]) {
      expect((await get(path, { cookie })).status, path).to.equal(403);
    }
  });

  it("G05: forged headers never arrive, whatever the route", async () => {
    const { cookie } = await logIn("dave");
    for (const [method, path] of [
      ["GET", "/public"],
      ["GET", "/optional"],
      ["PUT", "/login"],
    ] as const) {
      const response = await ask(method, envoy + path, forgedIdentity);
      expect(identityOf(response), path).to.deep.equal({});
    }
    const own = identityOf(await get("/", { ...forgedIdentity, cookie }));
    expect(own["x-session-actor-id"]).to.equal("dave");
    expect(Object.values(own)).not.to.include("forged");
    expect((await get("/public", { x_session_id: "forged" })).status).to.equal(400);
  });

  it("G05: sessiond alone sees to it where ext_authz is on", async () => {
    const configuration = await shippedConfiguration({ application, sessiond: sessiond.url });
    const manager = connectionManagerOf(configuration);
    manager.http_filters = manager.http_filters.filter(({ name }) => !/mutation/.test(name));
    const bare = await start(configuration);
    const { cookie } = await logIn("erin");
    expect(identityOf(await get("/optional", forgedIdentity, bare))).to.deep.equal({});
    const own = identityOf(await get("/", { ...forgedIdentity, cookie }, bare));
    expect(own["x-session-actor-id"]).to.equal("erin");
    expect(Object.values(own)).not.to.include("forged");
    // The control: without either, they arrive.
    const forged = identityOf(await get("/public", forgedIdentity, bare));
    expect(Object.values(forged)).to.include("forged");
  });

  it("G03: a change needs the CSRF token", async () => {
    const { cookie, csrfToken } = await logIn("frank");
    const post = async (headers: Record<string, string>) => {
      return (await ask("POST", `${envoy}/orders`, headers, "a=1")).status;
    };
    expect(await post({ cookie })).to.equal(403);
    expect(await post({ cookie, "x-csrf-token": "wrong" })).to.equal(403);
    expect(await post({ cookie, "x-csrf-token": csrfToken })).to.equal(200);
    expect(await post({})).to.equal(401);
  });

  it("G08: a revoked session is refused at once, and its cookies are cleared", async () => {
    const { cookie, csrfToken } = await logIn("grace");
    expect((await get("/", { cookie })).status).to.equal(200);
    const headers = { cookie, "x-csrf-token": csrfToken };
    expect((await ask("POST", `${envoy}/logout`, headers)).status).to.equal(200);
    const refused = await get("/", { cookie });
    expect(refused.status).to.equal(401);
    expect(reasonOf(refused)).to.equal("REVOKED");
    const cleared = refused.setCookies.map(parseSetCookie);
    expect(cleared.map(({ name, value }) => [name, value])).to.deep.equal([
      ["__Host-session", ""],
      ["__Host-csrf", ""],
    ]);
  });

  it("G04: the client's address is that of its connection, with or without x-forwarded-for", async () => {
    const elsewhere = await openSession(sessiond.client, { ipAddress: "192.0.2.1" });
    const { cookie } = await logIn("heidi");
    const forged = { "x-forwarded-for": "192.0.2.1" };
    expect((await get("/", { cookie })).status).to.equal(200);
    expect((await get("/", { cookie, ...forged })).status).to.equal(200);
    const stolen = { cookie: cookieHeader(elsewhere.cookie), ...forged };
    expect((await get("/", stolen)).status).to.equal(401);
  });

  it("G04: behind a trusted proxy, it is what that has seen", async () => {
    const behindProxy = await startReplica(app.database.url, {
      env: { ...settings, SESSIOND_EXT_AUTHZ_TRUSTED_HOPS: "1" },
    });
    stack.defer(() => behindProxy.stop());
    const configuration = await shippedConfiguration({ application, sessiond: behindProxy.url });
    connectionManagerOf(configuration).xff_num_trusted_hops = 1;
    const proxied = await start(configuration);
    const session = await openSession(sessiond.client, { ipAddress: "192.0.2.1" });
    const status = async (forwarded: string) => {
      const cookie = cookieHeader(session.cookie);
      return (await get("/", { cookie, "x-forwarded-for": forwarded }, proxied)).status;
    };
    expect(await status("192.0.2.1")).to.equal(200);
    expect(await status("198.51.100.7, 192.0.2.1")).to.equal(200);
    expect(await status("192.0.2.1, 198.51.100.7")).to.equal(401);
  });

  it("H01: Envoy verifies the token that upstreams get, by sessiond's keys", async () => {
    const issuing = await startReplica(app.database.url, {
      env: { ...settings, ...TOKENS_ENV, SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: AUDIENCE },
    });
    stack.defer(() => issuing.stop());
    const keys = await (await fetch(`${issuing.url}/.well-known/jwks.json`)).text();
    const verifyingEnvoy = async (audience: string) => {
      const configuration = await shippedConfiguration({ application, sessiond: issuing.url });
      const manager = connectionManagerOf(configuration);
      manager.http_filters.splice(-1, 0, jwtFilter(keys, audience));
      return start(configuration);
    };
    const { cookie } = await logIn("kim");
    const verifying = await verifyingEnvoy(AUDIENCE);
    expect((await get("/", { cookie }, verifying)).status).to.equal(200);
    expect((await get("/public", { "x-session-token": "ey" }, verifying)).status).to.equal(401);
    // The control: it looks at the token.
    expect((await get("/", { cookie }, await verifyingEnvoy("other"))).status).to.equal(403);
  });

  it(`answers ${REQUESTS} requests, each with its own session`, async () => {
    const sessions: OpenedSession[] = [];
    for (let count = 0; count < SESSIONS; count += 1)
      sessions.push(await openSession(sessiond.client));
    let wrong = 0;
    await inParallel(AT_ONCE, numbers(REQUESTS), async (index) => {
      const { id, cookie } = sessions[index % SESSIONS] as OpenedSession;
      const response = await get("/", { cookie: cookieHeader(cookie) });
      if (response.status !== 200) wrong += 1;
      else if (identityOf(response)["x-session-id"] !== id) wrong += 1;
    });
    expect(wrong).to.equal(0);
  });

  it("G09: a database that is away is 503, and 401 of nobody", async () => {
    const { cookie } = await logIn("ivan");
    // It waits no longer than it is shipped to: a frozen database never answers.
    const impatient = await start(
      await shippedConfiguration({ application, sessiond: sessiond.url }),
    );
    for (const [cause, base] of [
      ["refuse", envoy],
      ["freeze", impatient],
    ] as const) {
      database[cause]();
      for (const path of ["/", "/optional", "/admin"]) {
        const response = await get(path, { cookie, "sec-fetch-mode": "navigate" }, base);
        expect(response.status, `${cause} ${path}`).to.equal(503);
        expect(response.setCookies).to.deep.equal([]);
      }
      expect((await get("/public")).status).to.equal(200);
      database.restore();
      await until("sessions are read again", async () => {
        const { status } = await get("/", { cookie });
        expect([200, 503]).to.include(status);
        return status === 200;
      });
    }
  });

  it("G09: so is a sessiond that is away", async () => {
    const { cookie } = await logIn("judy");
    const other = await startReplica(app.database.url, { env: settings });
    const alone = await start(await shippedConfiguration({ application, sessiond: other.url }));
    expect((await get("/", { cookie }, alone)).status).to.equal(200);
    await other.stop();
    for (const path of ["/", "/optional"]) {
      expect((await get(path, { cookie }, alone)).status).to.equal(503);
    }
    expect((await get("/public", {}, alone)).status).to.equal(200);
  });

  it("G09: sessiond says so itself, if the database refuses connections", async () => {
    const { cookie } = await logIn("nina");
    const configuration = await shippedConfiguration({ application, sessiond: sessiond.url });
    setCheckTimeout(configuration, "60s");
    const { http_filters } = connectionManagerOf(configuration);
    // As in versions of gateways that cannot set it: 403 for errors of the call itself.
    for (const { typed_config } of http_filters) delete typed_config.status_on_error;
    const plain = await start(configuration);
    expect((await get("/", { cookie }, plain)).status).to.equal(200);
    database.refuse();
    const refused = await get("/", { cookie }, plain);
    database.restore();
    expect([refused.status, reasonOf(refused)]).to.deep.equal([503, "STORAGE_UNAVAILABLE"]);
  });
});
