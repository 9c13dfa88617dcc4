import { expect } from "chai";
import { parseRouteOptions, RouteError } from "../../src/rpc/envoy/route-options.ts";
import { openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { type CheckClient, checkClient, cookieHeader, reasonOf } from "./check-client.ts";

const defaults = {
  session: "required",
  csrf: true,
  touch: undefined,
  tenant: undefined,
  actorType: "",
  minAuthLevel: 0,
};

describe("the context extensions of a route", () => {
  const right: readonly (readonly [given: Record<string, string>, meaning: object])[] = [
    [{}, {}],
    [{ required: "true" }, {}],
    [{ optional: "true" }, { session: "optional" }],
    [{ csrf: "off" }, { csrf: false }],
    [{ csrf: "on" }, {}],
    [{ touch: "off" }, { touch: false }],
    [{ touch: "on" }, { touch: true }],
    [{ tenant: "acme" }, { tenant: "acme" }],
    [{ actor_type: "staff" }, { actorType: "staff" }],
    [{ min_auth_level: "0" }, {}],
    [{ min_auth_level: "2147483647" }, { minAuthLevel: 2_147_483_647 }],
    [
      { optional: "true", csrf: "off", tenant: "acme", min_auth_level: "2" },
      { session: "optional", csrf: false, tenant: "acme", minAuthLevel: 2 },
    ],
  ];
  for (const [given, meaning] of right) {
    it(`G10: ${JSON.stringify(given)}`, () => {
      expect(parseRouteOptions(given)).to.deep.equal({ ...defaults, ...meaning });
    });
  }

  const wrong: readonly (readonly [given: Record<string, string>, message: string])[] = [
    [
      { requird: "true" },
      'the context extension "requird" is unknown; there are required, optional',
    ],
    [{ Optional: "true" }, 'the context extension "Optional" is unknown'],
    [{ constructor: "true" }, 'the context extension "constructor" is unknown'],
    [{ [`a\n${"b".repeat(100)}`]: "" }, `"a?${"b".repeat(62)}" is unknown`],
    [{ required: "false" }, 'required is wrong: it must be "true" or left out'],
    [{ optional: "yes" }, 'optional is wrong: it must be "true" or left out'],
    [{ optional: "" }, 'optional is wrong: it must be "true" or left out'],
    [{ csrf: "false" }, 'csrf is wrong: it must be "on" or "off"'],
    [{ touch: "" }, 'touch is wrong: it must be "on" or "off"'],
    [{ tenant: "" }, "tenant is wrong: it must be a name"],
    [{ actor_type: "" }, "actor_type is wrong: it must be a name"],
    [{ min_auth_level: "2147483648" }, "must be a whole number from 0 to 2147483647"],
    [{ min_auth_level: "-1" }, "must be a whole number from 0 to 2147483647"],
    [{ min_auth_level: "" }, "must be a whole number from 0 to 2147483647"],
    [{ min_auth_level: "1e3" }, "must be a whole number from 0 to 2147483647"],
    [{ required: "true", optional: "true" }, "required and optional contradict each other"],
  ];
  for (const [given, message] of wrong) {
    it(`G11: refuses ${JSON.stringify(given).slice(0, 60)}`, () => {
      expect(() => parseRouteOptions(given)).to.throw(RouteError, message);
    });
  }

  describe("decide a Check", () => {
    const stack = new AsyncDisposableStack();
    const lines: string[] = [];
    let app: TestApp;
    let checks: CheckClient;

    before(async () => {
      app = await startTestApp({ onLog: (line) => lines.push(line) });
      stack.defer(() => app.stop());
      checks = checkClient(app.url);
      stack.defer(() => checks.close());
    });
    after(() => stack.disposeAsync());

    async function outcome(
      route: Record<string, string>,
      request: { cookie?: string; csrfToken?: string; method?: string } = {},
    ): Promise<string> {
      const { cookie, csrfToken, method = "GET" } = request;
      const headers = {
        ...(cookie !== undefined && { cookie: cookieHeader(cookie) }),
        ...(csrfToken !== undefined && { "x-csrf-token": csrfToken }),
      };
      const decision = await checks.check({ method, headers, route });
      if (decision.status !== 0) return `${decision.status} ${reasonOf(decision)}`;
      return decision.set["x-session-id"] === undefined ? "anonymous" : "identified";
    }

    it("G10: required or optional, by the state of the session", async () => {
      const [live, dead] = [await openSession(app.client), await openSession(app.client)];
      await app.client.revoke({ session: { ref: { case: "cookie", value: dead.cookie } } });
      const optional = { optional: "true" };
      expect(await outcome({}, live)).to.equal("identified");
      expect(await outcome(optional, live)).to.equal("identified");
      expect(await outcome({}, dead)).to.equal("401 REVOKED");
      expect(await outcome(optional, dead)).to.equal("anonymous");
      expect(await outcome(optional)).to.equal("anonymous");
      expect(await outcome(optional, { cookie: "forged" })).to.equal("anonymous");
      expect(await outcome(optional, { method: "POST" })).to.equal("anonymous");
      // A page of another site must not act for a user, also where a session is optional.
      const { cookie, csrfToken } = live;
      expect(await outcome(optional, { cookie, method: "POST" })).to.equal("403 CSRF_MISSING");
      expect(await outcome(optional, { cookie, csrfToken, method: "POST" })).to.equal("identified");
    });

    it("G10: tenant, actor_type and min_auth_level", async () => {
      const session = await openSession(app.client, { authLevel: 1 });
      const cases = [
        [{ tenant: "default" }, "identified"],
        [{ tenant: "acme" }, "401 INVALID_COOKIE"],
        [{ tenant: "acme", optional: "true" }, "anonymous"],
        [{ actor_type: "user" }, "identified"],
        [{ actor_type: "staff" }, "403 ACTOR_TYPE_NOT_ACCEPTED"],
        [{ actor_type: "staff", optional: "true" }, "403 ACTOR_TYPE_NOT_ACCEPTED"],
        [{ min_auth_level: "1" }, "identified"],
        [{ min_auth_level: "2" }, "403 STEP_UP_REQUIRED"],
      ] as const;
      for (const [route, expected] of cases) {
        expect(await outcome(route, session), JSON.stringify(route)).to.equal(expected);
      }
    });

    it("G11: a misconfigured route is closed, and the log says once why", async () => {
      const session = await openSession(app.client);
      lines.splice(0);
      const routes = [
        { otional: "true" },
        { required: "true", optional: "true" },
        // Only the rules know what a tenant may be called.
        { tenant: "t".repeat(129) },
      ];
      for (const route of routes) {
        for (const request of [session, {}]) {
          expect(await outcome(route, request)).to.equal("500 ROUTE_MISCONFIGURED");
        }
      }
      const problems = lines
        .map((line) => JSON.parse(line) as { msg: string; problem?: string })
        .filter(({ msg }) => msg.includes("misconfigured"));
      expect(problems.map(({ problem }) => problem?.slice(0, 40))).to.deep.equal([
        'the context extension "otional" is unkno',
        "the context extensions required and opti",
        "tenant_id must be at most 128 bytes",
      ]);
    });

    it("G11: so is a request that has no HTTP attributes", async () => {
      expect(reasonOf(await checks.checkAttributes({}))).to.equal("ROUTE_MISCONFIGURED");
    });

    it("G11: and a route without the tenant that each request must name", async () => {
      const replica = await startReplica(app.database.url, {
        env: { SESSIOND_REQUIRE_TENANT: "true" },
      });
      const strict = checkClient(replica.url);
      try {
        const { cookie } = await openSession(app.client);
        const headers = { cookie: cookieHeader(cookie) };
        expect(reasonOf(await strict.check({ headers }))).to.equal("ROUTE_MISCONFIGURED");
        const named = await strict.check({ headers, route: { tenant: "default" } });
        expect(named.code).to.equal("OK");
      } finally {
        strict.close();
        await replica.stop();
      }
    });
  });
});
