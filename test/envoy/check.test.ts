import { createClient } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { ServerReflection } from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { scrape } from "../metrics/scrape.ts";
import { type OpenedSession, openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { idle, setAbsolute } from "../support/back-dating.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { parseSetCookie } from "../support/set-cookie-parser.ts";
import { failureOf } from "../support/transport.ts";
import { until } from "../support/until.ts";
import {
  type Asked,
  type CheckClient,
  checkClient,
  cookieHeader,
  reasonOf,
} from "./check-client.ts";

describe("Check of Envoy's authorization service", () => {
  const stack = new AsyncDisposableStack();
  let app: TestApp;
  let checks: CheckClient;

  before(async () => {
    app = await startTestApp({ env: { SESSIOND_TOUCH_INTERVAL: "1s" } });
    stack.defer(() => app.stop());
    checks = checkClient(app.url);
    stack.defer(() => checks.close());
  });
  after(() => stack.disposeAsync());

  const asked = ({ cookie }: OpenedSession, more: Asked = {}): Asked => ({
    ...more,
    headers: { cookie: cookieHeader(cookie), ...more.headers },
  });

  async function lastSeen({ id }: OpenedSession): Promise<number> {
    const [row] = await app.sql("SELECT last_seen_at FROM sessions WHERE id = $1", [id]);
    return (row as { last_seen_at: Date }).last_seen_at.getTime();
  }

  it("G01: lets a live session through, and tells the upstream who asks", async () => {
    const session = await openSession(app.client, { authLevel: 2 });
    const decision = await checks.check(asked(session));
    expect(decision).to.deep.equal({
      code: "OK",
      status: 0,
      set: {
        "x-session-id": session.id,
        "x-session-actor-id": session.actor.actorId,
        "x-session-actor-type": "user",
        "x-session-tenant-id": "default",
        "x-session-auth-level": "2",
      },
      removed: [],
      body: "",
      metadata: { session_id: session.id, tenant_id: "default" },
    });
  });

  it("G01: reads raw headers, and cookies on several lines", async () => {
    const session = await openSession(app.client);
    const rawHeaders = [
      ["cookie", "theme=dark"],
      ["Cookie", cookieHeader(session.cookie)],
    ] as const;
    expect((await checks.check({ rawHeaders })).set["x-session-id"]).to.equal(session.id);
    const csrf = ["x-csrf-token", session.csrfToken] as const;
    const post = { method: "POST", rawHeaders: [...rawHeaders, csrf] };
    expect((await checks.check(post)).code).to.equal("OK");
    const twice = await checks.check({ method: "POST", rawHeaders: [...post.rawHeaders, csrf] });
    expect(reasonOf(twice)).to.equal("CSRF_MISMATCH");
  });

  it("G02: touches the session, unless setting or route say otherwise", async () => {
    const untouched = await startReplica(app.database.url, {
      env: { SESSIOND_EXT_AUTHZ_TOUCH: "false", SESSIOND_TOUCH_INTERVAL: "1s" },
    });
    const other = checkClient(untouched.url);
    const session = await openSession(app.client);
    const touches = async (client: CheckClient, route: Asked["route"] = {}) => {
      await idle(app, session.id, 60);
      const before = await lastSeen(session);
      expect((await client.check(asked(session, { route }))).code).to.equal("OK");
      return (await lastSeen(session)) > before;
    };
    try {
      expect(await touches(checks)).to.equal(true);
      expect(await touches(checks, { touch: "off" })).to.equal(false);
      expect(await touches(other)).to.equal(false);
      expect(await touches(other, { touch: "on" })).to.equal(true);
    } finally {
      other.close();
      await untouched.stop();
    }
  });

  it("G02: a refused request does not touch the session", async () => {
    const session = await openSession(app.client);
    await idle(app, session.id, 60);
    const before = await lastSeen(session);
    await checks.check(asked(session, { method: "POST" }));
    expect(await lastSeen(session)).to.equal(before);
  });

  it("G03: unsafe methods need the session's CSRF token", async () => {
    const session = await openSession(app.client);
    const other = await openSession(app.client);
    const outcome = async (
      method: string,
      headers: Asked["headers"],
      route: Asked["route"] = {},
    ) => {
      const decision = await checks.check(
        asked(session, { method, headers: headers ?? {}, route }),
      );
      return decision.status === 0 ? "let through" : `${decision.status} ${reasonOf(decision)}`;
    };
    const right = { "x-csrf-token": session.csrfToken };
    const wrong = { "x-csrf-token": other.csrfToken };
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "get", "PROPFIND"]) {
      expect(await outcome(method, {}), method).to.equal("403 CSRF_MISSING");
      expect(await outcome(method, wrong), method).to.equal("403 CSRF_MISMATCH");
      expect(await outcome(method, right), method).to.equal("let through");
      expect(await outcome(method, {}, { csrf: "off" }), method).to.equal("let through");
      expect(await outcome(method, wrong, { csrf: "off" }), method).to.equal("let through");
    }
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      expect(await outcome(method, {}), method).to.equal("let through");
      expect(await outcome(method, wrong), method).to.equal("let through");
    }
  });

  it("G06: refuses with a status and a short body", async () => {
    const session = await openSession(app.client);
    const refused = await checks.check();
    expect(refused).to.deep.equal({
      code: "UNAUTHENTICATED",
      status: 401,
      set: { "content-type": "application/json", "cache-control": "no-store" },
      removed: [],
      body:
        '{"status":401,"reason":"INVALID_COOKIE",' +
        '"message":"the session cookie is missing or not valid"}\n',
      metadata: { reason: "INVALID_COOKIE" },
    });
    const forbidden = await checks.check(asked(session, { method: "POST" }));
    expect([forbidden.code, forbidden.status]).to.deep.equal(["PERMISSION_DENIED", 403]);
    const stepUp = await checks.check(asked(session, { route: { min_auth_level: "2" } }));
    expect([stepUp.status, reasonOf(stepUp)]).to.deep.equal([403, "STEP_UP_REQUIRED"]);
  });

  it("G06: with SESSIOND_UNIFORM_ERRORS, tells one reason and clears no cookie", async () => {
    const uniform = await startReplica(app.database.url, {
      env: { SESSIOND_UNIFORM_ERRORS: "true" },
    });
    const client = checkClient(uniform.url);
    try {
      const session = await openSession(app.client);
      await app.client.revoke({ session: { ref: { case: "cookie", value: session.cookie } } });
      expect(await client.check(asked(session))).to.deep.equal(await client.check());
    } finally {
      client.close();
      await uniform.stop();
    }
  });

  it("G08: clears the cookies of a session that has ended, and no others", async () => {
    const open = () => openSession(app.client);
    const [revoked, idled, old, live] = await Promise.all([open(), open(), open(), open()]);
    await app.client.revoke({ session: { ref: { case: "cookie", value: revoked.cookie } } });
    await idle(app, idled.id, 3600);
    await setAbsolute(app, old.id, -1);
    for (const [session, reason] of [
      [revoked, "REVOKED"],
      [idled, "EXPIRED_IDLE"],
      [old, "EXPIRED_ABSOLUTE"],
    ] as const) {
      const decision = await checks.check(asked(session));
      expect(reasonOf(decision)).to.equal(reason);
      const cleared = [decision.set["set-cookie"] ?? []].flat().map(parseSetCookie);
      expect(cleared.map(({ name, value }) => [name, value])).to.deep.equal([
        ["__Host-session", ""],
        ["__Host-csrf", ""],
      ]);
      // The CSRF cookie may be that of the login form.
      const cookie = `${cookieHeader(session.cookie)}; __Host-prelogin=a`;
      const loggingIn = await checks.check({ headers: { cookie } });
      expect(parseSetCookie(String(loggingIn.set["set-cookie"])).name).to.equal("__Host-session");
    }
    const kept = [
      await checks.check(),
      await checks.check({ headers: { cookie: cookieHeader("forged") } }),
      await checks.check(asked(live, { route: { tenant: "another" } })),
      await checks.check(asked(live, { method: "POST" })),
    ];
    for (const decision of kept) {
      expect(decision.status).to.be.greaterThan(400);
      expect(decision.set).not.to.have.property("set-cookie");
    }
  });

  it("G09: an outage of the database is 503, also where the session is optional", async () => {
    const proxy = await startDatabaseProxy(app.database.url);
    const replica = await startReplica(proxy.url);
    const client = checkClient(replica.url);
    try {
      const session = await openSession(replica.client);
      expect((await client.check(asked(session))).code).to.equal("OK");
      proxy.refuse();
      for (const route of [{}, { optional: "true" }] as const) {
        const decision = await client.check(asked(session, { route }));
        expect([decision.code, decision.status]).to.deep.equal(["UNAVAILABLE", 503]);
        expect(reasonOf(decision)).to.equal("STORAGE_UNAVAILABLE");
        expect(decision.set["retry-after"]).to.equal("1");
        expect(decision.set).not.to.have.property("set-cookie");
      }
      proxy.restore();
      expect((await client.check(asked(session))).code).to.equal("OK");
    } finally {
      client.close();
      await replica.stop();
      await proxy.close();
    }
  });

  it("G09: an overload is 503, and not the browser's fault", async () => {
    const limited = await startReplica(app.database.url, {
      env: { SESSIOND_RATE_PER_CALLER: "1,1" },
    });
    const client = checkClient(limited.url);
    try {
      await client.check();
      const decision = await client.check();
      expect([decision.status, reasonOf(decision)]).to.deep.equal([503, "OVERLOADED"]);
      expect(decision.body).not.to.contain("SESSIOND_");
    } finally {
      client.close();
      await limited.stop();
    }
  });

  it("the log tells no end of an outage for Checks without a session", async () => {
    const proxy = await startDatabaseProxy(app.database.url);
    const lines: string[] = [];
    const replica = await startReplica(proxy.url, { onLog: (line) => lines.push(line) });
    const client = checkClient(replica.url);
    const hasEnded = () => lines.some((line) => line.includes("the database answers again"));
    try {
      const session = await openSession(replica.client);
      proxy.refuse();
      await client.check(asked(session));
      const failedAt = performance.now();
      // A success ends an outage once nothing has failed for a second.
      await until("the outage is quiet", async () => performance.now() - failedAt > 1500);
      await client.check({ route: { optional: "true" } });
      await client.check({ route: { typo: "true" } });
      expect(hasEnded()).to.equal(false);
      proxy.restore();
      await until("its end is told", async () => {
        await client.check(asked(session));
        return hasEnded();
      });
    } finally {
      client.close();
      await replica.stop();
      await proxy.close();
    }
  });

  it("G06: no decision and no line of the log repeats a credential", async () => {
    const lines: string[] = [];
    const logged = await startReplica(app.database.url, {
      env: { SESSIOND_LOG_VALIDATE_SAMPLE: "1" },
      onLog: (line) => lines.push(line),
    });
    const client = checkClient(logged.url);
    try {
      const live = await openSession(app.client);
      const ended = await openSession(app.client);
      await app.client.revoke({ session: { ref: { case: "cookie", value: ended.cookie } } });
      const decisions = [];
      for (const { cookie, csrfToken } of [live, ended]) {
        const routes: readonly Readonly<Record<string, string>>[] = [
          {},
          { optional: "true" },
          { tenant: "acme" },
          { typo: cookie },
        ];
        for (const method of ["GET", "POST"]) {
          for (const route of routes) {
            const headers = { cookie: cookieHeader(cookie), "x-csrf-token": `${csrfToken}x` };
            decisions.push(await client.check({ method, headers, route }));
          }
        }
      }
      const told = JSON.stringify(decisions) + lines.join("");
      for (const { cookie, csrfToken } of [live, ended]) {
        const [, signature = ""] = /([^.]+)$/.exec(cookie) ?? [];
        for (const secret of [cookie, signature, csrfToken]) {
          expect(told.includes(secret), "a credential is repeated").to.equal(false);
        }
      }
    } finally {
      client.close();
      await logged.stop();
    }
  });

  it("the log has refused Checks as it has refused calls", async () => {
    const lines: string[] = [];
    const logged = await startReplica(app.database.url, {
      env: { SESSIOND_LOG_VALIDATE_SAMPLE: "1" },
      onLog: (line) => lines.push(line),
    });
    const client = checkClient(logged.url);
    try {
      const session = await openSession(app.client);
      await client.check(asked(session, { method: "POST" }));
      await client.check(asked(session));
      const calls = lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ rpc }) => rpc === "envoy.service.auth.v3.Authorization/Check")
        .map(({ msg, tenant, code, reason }) => ({ msg, tenant, code, reason }));
      expect(calls).to.deep.equal([
        {
          msg: "call failed",
          tenant: "default",
          code: "PERMISSION_DENIED",
          reason: "CSRF_MISSING",
        },
        { msg: "call", tenant: "default", code: "OK", reason: undefined },
      ]);
    } finally {
      client.close();
      await logged.stop();
    }
  });

  it("the metrics count how Checks are decided, and why they are refused", async () => {
    const metered = await startReplica(app.database.url, {
      env: { SESSIOND_METRICS_PORT: "0", SESSIOND_EXT_AUTHZ_LOGIN_URL: "/login" },
    });
    const client = checkClient(metered.url);
    try {
      const session = await openSession(app.client);
      await client.check(asked(session));
      await client.check(asked(session, { method: "POST" }));
      await client.check({ route: { optional: "true" } });
      await client.check({ headers: { "sec-fetch-mode": "navigate" } });
      await client.check({ route: { otional: "true" } });
      const { value } = await scrape(metered.app.metricsPort);
      const counted = (decision: string) => value("sessiond_ext_authz_checks_total", { decision });
      for (const decision of ["allowed", "denied", "anonymous", "redirected", "misconfigured"]) {
        expect(counted(decision), decision).to.equal(1);
      }
      const refusal = { rpc: "envoy.service.auth.v3.Authorization/Check", reason: "CSRF_MISSING" };
      expect(value("sessiond_refusals_total", refusal)).to.equal(1);
    } finally {
      client.close();
      await metered.stop();
    }
  });

  it("has a status of its own for health checks, and is described by reflection", async () => {
    const service = "envoy.service.auth.v3.Authorization";
    const health = createClient(Health, app.transport);
    expect((await health.check({ service })).status).to.equal(Status.SERVING);
    const requests = (async function* () {
      yield { messageRequest: { case: "fileContainingSymbol" as const, value: service } };
    })();
    const answers = createClient(ServerReflection, app.transport).serverReflectionInfo(requests);
    for await (const { messageResponse } of answers) {
      expect(messageResponse.case).to.equal("fileDescriptorResponse");
    }
  });

  it("G12: needs a caller with the role validator", async () => {
    const tokens = { validator: newToken(), issuer: newToken() };
    const file = await createTestFile(
      tokenLine(tokens.validator, { name: "envoy", role: "validator" }),
      tokenLine(tokens.issuer, { name: "web", role: "issuer" }),
    );
    const replica = await startReplica(app.database.url, {
      env: { SESSIOND_CALLERS_FILE: file.path },
    });
    const issuer = clientOf(replica.url, withToken(tokens.issuer));
    const [envoy, nobody] = [checkClient(replica.url, tokens.validator), checkClient(replica.url)];
    try {
      const session = await openSession(issuer.client);
      expect((await envoy.check(asked(session))).code).to.equal("OK");
      const error = await failureOf<grpc.ServiceError>(nobody.check(asked(session)));
      // A gRPC error, so that Envoy answers with its own status: the browser is not to log in.
      expect(error.code).to.equal(grpc.status.UNAUTHENTICATED);
    } finally {
      issuer.close();
      envoy.close();
      nobody.close();
      await replica.stop();
      await file.remove();
    }
  });
});
