import { SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { expect } from "chai";
import {
  type Asked,
  type CheckClient,
  checkClient,
  cookieHeader,
  reasonOf,
} from "../envoy/check-client.ts";
import { byCookie, type OpenedSession, openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { until } from "../support/until.ts";

const CHECK = "envoy.service.auth.v3.Authorization/Check";

const NOT_FAILED = { code: SpanStatusCode.UNSET };
const FAILED = { code: SpanStatusCode.ERROR };

const withCookie = (cookie: string): Asked => ({ headers: { cookie: cookieHeader(cookie) } });

/** What the span of a Check tells of its outcome. */
function outcomeOf({ status, attributes }: ReadableSpan) {
  return {
    status,
    code: attributes["rpc.response.status_code"],
    reason: attributes["sessiond.reason"],
    error: attributes["error.type"],
    tenant: attributes["sessiond.tenant_id"],
  };
}

/** The outcome of one that is no failure of sessiond. */
function answered(known: { readonly reason?: string; readonly tenant?: string }) {
  const { reason, tenant } = known;
  return { status: NOT_FAILED, code: "OK", reason, error: undefined, tenant };
}

describe("spans of Envoy's Checks", () => {
  const spans = useRecordedSpans();
  const stack = new AsyncDisposableStack();
  let app: TestApp;
  let checks: CheckClient;

  before(async () => {
    app = await startTestApp({ env: { SESSIOND_UNIFORM_ERRORS: "true" } });
    stack.defer(() => app.stop());
    checks = checkClient(app.url);
    stack.defer(() => checks.close());
  });

  after(() => stack.disposeAsync());

  /** What the span of the only Check tells of its outcome. */
  const told = async () => outcomeOf(await spans.named(CHECK));

  const refusals: readonly (readonly [
    what: string,
    ask: (session: OpenedSession) => Promise<Asked> | Asked,
    status: number,
    expected: { readonly reason: string; readonly tenant?: string },
  ])[] = [
    ["without a cookie", () => ({}), 401, { reason: "INVALID_COOKIE" }],
    [
      "with a forged cookie",
      ({ cookie }) => {
        const [, mac = ""] = /([^.]+)$/.exec(cookie) ?? [];
        return withCookie(cookie.replace(mac, `${mac[0] === "A" ? "B" : "A"}${mac.slice(1)}`));
      },
      401,
      { reason: "INVALID_COOKIE" },
    ],
    [
      "of a session that was revoked",
      async ({ cookie }) => {
        await app.client.revoke({ session: byCookie(cookie) });
        return withCookie(cookie);
      },
      401,
      { reason: "REVOKED", tenant: "default" },
    ],
    [
      "without a CSRF token",
      ({ cookie }) => ({ ...withCookie(cookie), method: "POST" }),
      403,
      { reason: "CSRF_MISSING", tenant: "default" },
    ],
    [
      "on a route that is misconfigured",
      ({ cookie }) => ({ ...withCookie(cookie), route: { otional: "true" } }),
      500,
      { reason: "ROUTE_MISCONFIGURED" },
    ],
  ];

  for (const [what, ask, status, expected] of refusals) {
    it(`K03: of one ${what} has the real reason, and is no failure of sessiond`, async () => {
      const asked = await ask(await openSession(app.client));
      spans.clear();
      expect((await checks.check(asked)).status).to.equal(status);
      expect(await told()).to.deep.equal(answered(expected));
    });
  }

  it("K03: of one that lets the request through, has no reason", async () => {
    const { cookie } = await openSession(app.client);
    expect((await checks.check(withCookie(cookie))).status).to.equal(0);
    expect(await told()).to.deep.equal(answered({ tenant: "default" }));
    spans.clear();
    expect((await checks.check({ route: { optional: "true" } })).status).to.equal(0);
    expect(await told()).to.deep.equal(answered({}));
  });

  it("K03: of one above the limit of its caller, has the reason, as that of a Validate", async () => {
    await using resources = new AsyncDisposableStack();
    const limited = await startReplica(app.database.url, {
      env: { SESSIOND_RATE_PER_CALLER: "1,1" },
    });
    resources.defer(() => limited.stop());
    const client = resources.adopt(checkClient(limited.url), (opened) => opened.close());
    const decisions = await Promise.all(Array.from({ length: 20 }, () => client.check()));
    const refused = decisions.filter(({ status }) => status === 503);
    expect(refused.length).to.be.greaterThan(0);
    await until("all calls have ended", async () => spans.calls.length === decisions.length);
    const overloaded = spans.calls
      .map(outcomeOf)
      .filter(({ reason }) => reason !== "INVALID_COOKIE");
    expect(overloaded).to.deep.equal(refused.map(() => answered({ reason: "OVERLOADED" })));
  });

  it("K03: of one while the database is away, has failed, although gRPC's answer is OK", async () => {
    await using resources = new AsyncDisposableStack();
    const proxy = await startDatabaseProxy(app.database.url);
    resources.defer(() => proxy.close());
    const replica = await startReplica(proxy.url);
    resources.defer(() => replica.stop());
    const client = resources.adopt(checkClient(replica.url), (opened) => opened.close());
    const { cookie } = await openSession(replica.client);
    proxy.refuse();
    resources.defer(() => proxy.restore());
    const decision = await client.check(withCookie(cookie));
    expect([decision.status, reasonOf(decision)]).to.deep.equal([503, "STORAGE_UNAVAILABLE"]);
    expect(await told()).to.deep.equal({
      ...answered({ reason: "STORAGE_UNAVAILABLE" }),
      status: FAILED,
      error: "UNAVAILABLE",
    });
  });
});
