import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { createApps } from "../conformance/apps.ts";
import {
  type CreateRequestSchema,
  CreateResponseSchema,
  connect,
  ErrorReason,
  type RevokeRequestSchema,
  RevokeResponseSchema,
  type SessionError,
  type ValidateRequestSchema,
  ValidateResponseSchema,
} from "../src/index.ts";
import type { SessionClient, SessionsOptions } from "../src/request-sessions.ts";
import { createTestSessiond, type TestSessiond } from "../src/testing.ts";
import { failure, unavailable } from "./support/failures.ts";
import { type Answer, CookieJar, serve, type TestServer } from "./support/http.ts";

const FRAMEWORKS = ["express", "fastify", "hono", "node"] as const;
const COOKIE = { cookie: "session=a; csrf=b" };

/** A client that answers as the test says and keeps the requests. */
function fakeClient(answers: {
  validate?: () => MessageInitShape<typeof ValidateResponseSchema>;
  create?: () => MessageInitShape<typeof CreateResponseSchema>;
  revoke?: () => MessageInitShape<typeof RevokeResponseSchema>;
}) {
  const session = { actorId: "alice" };
  const validated: MessageInitShape<typeof ValidateRequestSchema>[] = [];
  const created: MessageInitShape<typeof CreateRequestSchema>[] = [];
  const revoked: MessageInitShape<typeof RevokeRequestSchema>[] = [];
  const client: SessionClient = {
    async validate(request) {
      validated.push(request);
      return create(ValidateResponseSchema, answers.validate?.() ?? { session });
    },
    async create(request) {
      created.push(request);
      return create(CreateResponseSchema, answers.create?.() ?? { session, csrfToken: "new" });
    },
    async revoke(request) {
      revoked.push(request);
      return create(RevokeResponseSchema, answers.revoke?.() ?? { session, revoked: true });
    },
  };
  return { client, validated, created, revoked };
}

const fails = (error: unknown) => () => {
  throw error;
};

/** The wanted refusal, which has no cookies. */
function expectRefusal(answer: Answer, status: number, reason: string): void {
  expect(answer.json).to.include({ status, reason });
  expect(Object.keys(answer.json)).to.deep.equal(["title", "status", "reason", "detail"]);
  expect(answer.status).to.equal(status);
  expect(answer.headers["content-type"]).to.equal("application/problem+json");
  expect(answer.headers["cache-control"]).to.equal("no-store");
  expect(answer.setCookies).to.deep.equal([]);
}

describe("middleware of the TypeScript client", () => {
  let sessiond: TestSessiond;
  before(async () => {
    sessiond = await createTestSessiond({ cookieSecure: false, connect: { timeoutMs: 60_000 } });
  });
  after(() => sessiond.stop());

  for (const framework of FRAMEWORKS)
    describe(`for ${framework}`, () => {
      const cleanups: (() => Promise<unknown>)[] = [];

      afterEach(async () => {
        for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
      });

      async function serving(
        client: SessionClient,
        options: SessionsOptions<object> = {},
      ): Promise<TestServer> {
        const apps = await createApps(client, { onError: () => {}, ...options });
        const server = await serve(apps[framework]);
        cleanups.push(() => server.close());
        return server;
      }

      describe("with a real sessiond", () => {
        it("logs in through the form, requires the token for changes, and logs out", async () => {
          const { send } = await serving(sessiond.client);
          const jar = new CookieJar();
          const page = await send("/login");
          jar.store(page);
          const csrf_token: string = page.json.csrfToken;
          expect(page.setCookies.map((cookie) => cookie.split("=")[0])).to.contain("prelogin");

          const secondTab = await send("/login", { headers: { cookie: jar.header } });
          expect(secondTab.json.csrfToken).to.equal(csrf_token);
          expect(secondTab.setCookies).to.deep.equal([]);

          const headers = { cookie: jar.header };
          const without = await send("/login", { headers, form: { user: "alice" } });
          expectRefusal(without, 403, "CSRF_MISSING");
          const forged = { user: "alice", csrf_token: "forged" };
          expectRefusal(await send("/login", { headers, form: forged }), 403, "CSRF_MISMATCH");

          const login = await send("/login", { headers, form: { user: "alice", csrf_token } });
          expect(login.json.actorId).to.equal("alice");
          jar.store(login);
          expect(jar.get("csrf")).to.equal(login.json.csrfToken);
          expect(jar.get("prelogin")).to.equal(undefined);

          const user = { cookie: jar.header };
          const me = await send("/me", { headers: user });
          expect(me.json).to.include({ actorId: "alice", tenantId: "default" });
          expect(me.setCookies).to.deep.equal([]);
          expectRefusal(await send("/acme/me", { headers: user }), 401, "INVALID_COOKIE");

          const token = login.json.csrfToken;
          for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
            const form = { note: "a b" };
            const unprotected = await send("/change", { method, headers: user, form });
            expectRefusal(unprotected, 403, "CSRF_MISSING");
            const withField = { ...form, csrf_token: token };
            const field = await send("/change", { method, headers: user, form: withField });
            expect(field.json, method).to.deep.equal({ actorId: "alice", body: "a b" });
            const protectedHeaders = { ...user, "x-csrf-token": token };
            const header = await send("/change", { method, headers: protectedHeaders, form });
            expect(header.json, method).to.deep.equal({ actorId: "alice", body: "a b" });
          }
          const inQuery = await send(`/change?csrf_token=${token}`, { headers: user, form: "" });
          expectRefusal(inQuery, 403, "CSRF_MISSING");

          expect((await send("/optional", { headers: user })).json).to.deep.equal({
            actorId: "alice",
          });
          const change = await send("/optional", { headers: user, method: "POST", form: "" });
          expectRefusal(change, 403, "CSRF_MISSING");

          expectRefusal(await send("/logout", { headers: user, form: "" }), 403, "CSRF_MISSING");
          const logout = await send("/logout", { headers: user, form: { csrf_token: token } });
          expect(logout.json).to.deep.equal({ revoked: true });
          expect(logout.setCookies.filter((cookie) => /=;.*Max-Age=0/.test(cookie))).to.have.length(
            3,
          );
          expectRefusal(await send("/me", { headers: user }), 401, "REVOKED");
          const visitor = await send("/optional", { headers: user });
          expect(visitor.json).to.deep.equal({ actorId: null });
        });

        it("sends every cookie as sessiond wants it", async () => {
          let headers: string[] = [];
          const client: SessionClient = {
            ...sessiond.client,
            async create(request) {
              const created = await sessiond.client.create(request);
              headers = created.setCookies.map(({ header }) => header);
              return created;
            },
          };
          const { send } = await serving(client);
          expect((await send("/login")).setCookies).to.deep.equal(headers);
          expect(headers).to.have.length.at.least(2);
        });

        it("answers a Cookie header with whatever bytes as it answers any wrong cookie", async () => {
          const { send } = await serving(sessiond.client);
          for (const cookie of ["session=\xff\xfe", "=;=;;;", "session", "session=a; session=b"]) {
            expectRefusal(await send("/me", { headers: { cookie } }), 401, "INVALID_COOKIE");
            expect((await send("/login", { headers: { cookie } })).status).to.equal(200);
          }
        });
      });

      it("refuses a request without cookies without a call", async () => {
        const { client, validated } = fakeClient({});
        const { send } = await serving(client);
        expectRefusal(await send("/me"), 401, "INVALID_COOKIE");
        expect((await send("/optional")).json).to.deep.equal({ actorId: null });
        expect(validated).to.deep.equal([]);
      });

      it("tells sessiond what the browser sent", async () => {
        const { client, validated } = fakeClient({});
        const { send } = await serving(client);
        const userAgent = `\xc3\xa9\xff${"x".repeat(600)}`;
        const cookie = ["a=\xc3\xa9", "session=\xff"];
        await send("/me", { headers: { cookie, "user-agent": userAgent } });
        await send("/change", { headers: { cookie: "a=b" }, form: "", method: "POST" });
        expect(validated).to.deep.equal([
          {
            credential: { case: "cookieHeader", value: "a=é; session=�" },
            httpMethod: "GET",
            touch: true,
            ipAddress: "127.0.0.1",
            userAgent: `é�${"x".repeat(510)}`,
          },
          {
            credential: { case: "cookieHeader", value: "a=b" },
            httpMethod: "POST",
            csrfToken: "",
            touch: true,
            ipAddress: "127.0.0.1",
            userAgent: "",
          },
        ]);
      });

      it("has sessiond require the CSRF token by the request's method", async () => {
        const { client, validated } = fakeClient({});
        const { send } = await serving(client);
        const headers = { ...COOKIE, "x-csrf-token": "b" };
        await send("/me", { headers });
        await send("/optional", { headers, method: "POST", form: "" });
        await send("/change", { headers, method: "DELETE" });
        await send("/login", { headers });
        await send("/login", { headers, form: { user: "alice" } });
        const sent = validated.map(({ httpMethod, csrfToken }) => [httpMethod, csrfToken]);
        expect(sent).to.deep.equal([
          ["GET", undefined],
          ["POST", "b"],
          ["DELETE", "b"],
          ["GET", "b"],
          ["POST", "b"],
        ]);
      });

      for (const [ip, sent] of [
        ["2001:db8::1%eth0", "2001:db8::1"],
        ["192.0.2.1:443", ""],
        ["unknown", ""],
        [undefined, ""],
      ] as const) {
        it(`takes the address ${ip} of the option as "${sent}"`, async () => {
          const { client, validated } = fakeClient({});
          const { send } = await serving(client, { clientIp: () => ip });
          await send("/me", { headers: COOKIE });
          expect(validated[0]).to.include({ ipAddress: sent });
        });
      }

      it("sends the tenant, and refuses a request whose tenant is not known", async () => {
        let tenant: string | undefined = "acme";
        const { client, validated, created, revoked } = fakeClient({});
        const { send } = await serving(client, { tenant: () => tenant });
        const headers = { ...COOKIE, "x-csrf-token": "b" };
        await send("/me", { headers });
        await send("/login", { headers, form: { user: "alice" } });
        await send("/logout", { headers, form: "" });
        expect(validated.map(({ tenantId }) => tenantId)).to.deep.equal(["acme", "acme", "acme"]);
        expect(created[0]?.actor?.tenantId).to.equal("acme");
        expect(created[0]?.replaces?.tenantId).to.equal("acme");
        expect(revoked[0]?.session?.tenantId).to.equal("acme");
        for (tenant of [undefined, ""]) {
          const calls = validated.length + created.length;
          expectRefusal(await send("/me", { headers }), 500, "INVALID_REQUEST");
          expectRefusal(await send("/login"), 500, "INVALID_REQUEST");
          expect(validated.length + created.length).to.equal(calls);
        }
      });

      for (const tenant of [undefined, ""]) {
        it(`refuses the tenant ${JSON.stringify(tenant)} at the start, not to accept any`, async () => {
          const { client } = fakeClient({});
          const error = await createApps(client, { tenant } as SessionsOptions<object>).catch(
            (thrown) => thrown,
          );
          expect(error)
            .to.be.instanceOf(TypeError)
            .with.property("message")
            .that.contains("tenant");
        });
      }

      it("makes one call for a request, and takes no token from another place", async () => {
        const { client, validated } = fakeClient({});
        const { send } = await serving(client, { csrfHeader: "X-Token", csrfField: "token" });
        const headers = { ...COOKIE, "x-csrf-token": "wrong place" };
        await send("/change", { headers, form: { token: "of the form", csrf_token: "no" } });
        await send("/change", { headers: { ...headers, "X-Token": "of the header" }, form: "" });
        const json = { ...headers, "content-type": "application/json" };
        await send("/change", { headers: json, form: '{"token":"of JSON"}' });
        expect(validated.map(({ csrfToken }) => csrfToken)).to.deep.equal([
          "of the form",
          "of the header",
          "",
        ]);
      });

      describe("in an outage", () => {
        const address = "127.0.0.1:1";
        const outages: readonly [what: string, error: unknown, reason: string][] = [
          [
            "a refused connection",
            new ConnectError(address, Code.Unavailable),
            "SERVICE_UNAVAILABLE",
          ],
          ["a deadline", new ConnectError(address, Code.DeadlineExceeded), "SERVICE_UNAVAILABLE"],
          ["an unknown failure", new ConnectError(address, Code.Unknown), "SERVICE_UNAVAILABLE"],
          [
            "UNAUTHENTICATED of a proxy",
            new ConnectError("", Code.Unauthenticated),
            "SERVICE_UNAVAILABLE",
          ],
          ["an unavailable storage", unavailable(2500), "STORAGE_UNAVAILABLE"],
        ];
        for (const [what, error, reason] of outages) {
          it(`answers ${what} with 503 and leaves the cookies alone`, async () => {
            const told: unknown[][] = [];
            const throwing = fails(error);
            const { client } = fakeClient({
              validate: throwing,
              create: throwing,
              revoke: throwing,
            });
            const { send } = await serving(client, { onError: (...args) => told.push(args) });
            const requests = [
              () => send("/me?query=secret", { headers: COOKIE }),
              () => send("/optional", { headers: COOKIE }),
              () => send("/login", { headers: COOKIE }),
              () => send("/login"),
              () => send("/login", { headers: COOKIE, form: { user: "alice", csrf_token: "b" } }),
              () => send("/logout", { headers: COOKIE, form: { csrf_token: "b" } }),
            ];
            for (const request of requests) {
              const answer = await request();
              expectRefusal(answer, 503, reason);
              expect(answer.headers["retry-after"]).to.equal(
                reason === "STORAGE_UNAVAILABLE" ? "3" : "1",
              );
              expect(answer.text).not.to.contain(address);
            }
            expect(told.map(([failed]) => (failed as SessionError).cause)).to.deep.equal(
              requests.map(() => error),
            );
            // Nothing else: it could be logged as it is.
            expect(told.map(([, ...request]) => request)).to.deep.equal([
              [{ method: "GET", path: "/me" }],
              [{ method: "GET", path: "/optional" }],
              [{ method: "GET", path: "/login" }],
              [{ method: "GET", path: "/login" }],
              [{ method: "POST", path: "/login" }],
              [{ method: "POST", path: "/logout" }],
            ]);
          });
        }

        it("does not log out", async () => {
          const { client } = fakeClient({ revoke: fails(unavailable()) });
          const { send } = await serving(client);
          const headers = { ...COOKIE, "x-csrf-token": "b" };
          expectRefusal(await send("/logout", { headers, form: "" }), 503, "STORAGE_UNAVAILABLE");
        });

        it("does not take an answer without a session for one", async () => {
          const nothing = () => ({});
          const { client } = fakeClient({ validate: nothing, create: nothing });
          const { send } = await serving(client);
          for (const path of ["/me", "/optional", "/login"]) {
            expectRefusal(await send(path, { headers: COOKIE }), 503, "SERVICE_UNAVAILABLE");
          }
        });

        it("answers when the address is wrong", async () => {
          const client = connect("http://127.0.0.1:1");
          cleanups.push(async () => client.close());
          const { send } = await serving(client);
          expectRefusal(await send("/me", { headers: COOKIE }), 503, "SERVICE_UNAVAILABLE");
        });
      });

      it("answers its own mistakes with 500, never as the user's", async () => {
        for (const reason of ["CALLER_UNAUTHENTICATED", "CALLER_FORBIDDEN"] as const) {
          const error = failure({ reason: ErrorReason[reason], httpStatus: 401 });
          const { send } = await serving(fakeClient({ validate: fails(error) }).client);
          expectRefusal(await send("/optional", { headers: COOKIE }), 500, reason);
        }
      });

      it("answers an overload with Retry-After, and a full account with 409", async () => {
        const reason = ErrorReason.OVERLOADED;
        const overload = failure({ reason, httpStatus: 429, retryDelayMs: 1000 });
        const overloaded = await serving(fakeClient({ validate: fails(overload) }).client);
        const answer = await overloaded.send("/optional", { headers: COOKIE });
        expectRefusal(answer, 429, "OVERLOADED");
        expect(answer.headers["retry-after"]).to.equal("1");
        const limit = failure({ reason: ErrorReason.SESSION_LIMIT_REACHED, httpStatus: 409 });
        const { send } = await serving(fakeClient({ create: fails(limit) }).client);
        const form = { user: "alice", csrf_token: "b" };
        const login = await send("/login", { headers: COOKIE, form });
        expectRefusal(login, 409, "SESSION_LIMIT_REACHED");
      });

      it("starts a login anew if the browser has a stale CSRF cookie", async () => {
        for (const reason of [ErrorReason.CSRF_MISMATCH, ErrorReason.EXPIRED_ABSOLUTE]) {
          const httpStatus = reason === ErrorReason.CSRF_MISMATCH ? 403 : 401;
          const validate = fails(failure({ reason, httpStatus }));
          const { client, created } = fakeClient({ validate });
          const { send } = await serving(client);
          expect((await send("/login", { headers: COOKIE })).json).to.deep.equal({
            csrfToken: "new",
          });
          expect(created[0]).to.include({ preLogin: true }).and.not.have.property("replaces");
        }
      });

      it("ends a login whose session has already ended", async () => {
        const error = failure({ reason: ErrorReason.INVALID_COOKIE, httpStatus: 401 });
        const { client } = fakeClient({ revoke: fails(error) });
        const { send } = await serving(client);
        const form = { csrf_token: "b" };
        const logout = await send("/logout", { headers: COOKIE, form });
        expect(logout.json).to.deep.equal({ revoked: false });
        expect(logout.setCookies).to.deep.equal([]);
      });

      it("appends Set-Cookie headers as they are", async () => {
        const session = { actorId: "alice" };
        const headers = ['a="\\" %20+/~; Path=/', "b=1, c=2\t; X", "a=3"];
        const setCookies = headers.map((header) => ({ header }));
        const { client } = fakeClient({ create: () => ({ session, setCookies }) });
        const { send } = await serving(client);
        expect((await send("/login")).setCookies).to.deep.equal(headers);
      });

      for (const header of ["b=2\r\nLocation: //evil", "b=é", "b=€", "b=\0", ""]) {
        it(`sets no cookie if one of them is ${JSON.stringify(header)}`, async () => {
          const session = { actorId: "alice" };
          const setCookies = [{ header: "a=1" }, { header }];
          const { client } = fakeClient({ create: () => ({ session, setCookies }) });
          const { send } = await serving(client);
          expectRefusal(await send("/login"), 503, "SERVICE_UNAVAILABLE");
        });
      }
    });
});
