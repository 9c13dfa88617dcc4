import type { RequestListener } from "node:http";
import { create } from "@bufbuild/protobuf";
import formbody from "@fastify/formbody";
import { getRequestListener } from "@hono/node-server";
import { expect } from "chai";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { createSessions as createExpressSessions } from "../src/express.ts";
import { createSessions as createFastifySessions } from "../src/fastify.ts";
import { createSessions as createHonoSessions } from "../src/hono.ts";
import { CreateResponseSchema, ErrorReason, RevokeResponseSchema } from "../src/index.ts";
import { createSessions as createNodeSessions } from "../src/node.ts";
import type { SessionClient } from "../src/request-sessions.ts";
import { failure, unavailable } from "./support/failures.ts";
import { serve, type TestServer } from "./support/http.ts";

const session = { actorId: "alice" };

/** Refuses every session and opens new ones. */
const client: SessionClient = {
  validate: () =>
    Promise.reject(failure({ reason: ErrorReason.EXPIRED_IDLE, message: "it has expired" })),
  create: async () =>
    create(CreateResponseSchema, { session, csrfToken: "t", setCookies: [{ header: "ours=1" }] }),
  revoke: async () => create(RevokeResponseSchema, { session, revoked: true }),
};

/** A call that a handler makes by itself. */
const list = () => Promise.reject(unavailable(2500));

/**
 * What each application is asked: /me is refused, /login sets two cookies, /form has the token for its forms, /call sets a cookie and then
 * fails with a call of its own, /bug fails.
 */
const apps = {
  async express(redirect: boolean) {
    const sessions = createExpressSessions(client, {
      onError: () => {},
      ...(redirect && { onRefused: async (_refusal, _req, res) => res.redirect("/login") }),
    });
    const app = express();
    app.get("/me", sessions.required, (req, res) => {
      res.json(sessions.sessionOf(req).secondsLeft);
    });
    app.get("/login", async (req, res) => {
      res.cookie("own", "1");
      res.json(await sessions.startLogin(req, res));
    });
    app.get("/form", (req, res) => {
      res.send(sessions.csrfToken(req));
    });
    app.get("/call", async (req, res) => {
      await sessions.startLogin(req, res);
      res.json(await list());
    });
    app.get("/bug", (req) => sessions.sessionOf(req));
    app.use(sessions.errorHandler);
    app.use(((error, _req, res, _next) => {
      res.status(500).send(error.message);
    }) as express.ErrorRequestHandler);
    return app;
  },
  async fastify(redirect: boolean) {
    const sessions = createFastifySessions(client, {
      onError: () => {},
      ...(redirect && { onRefused: (_refusal, _request, reply) => reply.redirect("/login") }),
    });
    const app = fastify();
    await app.register(formbody);
    app.setErrorHandler(sessions.errorHandler);
    const { required } = sessions;
    app.get("/me", { preHandler: required }, async (request) => sessions.sessionOf(request));
    app.get("/login", async (request, reply) => {
      reply.header("set-cookie", "own=1");
      return sessions.startLogin(request, reply);
    });
    app.get("/form", async (request) => sessions.csrfToken(request));
    app.get("/call", async (request, reply) => {
      await sessions.startLogin(request, reply);
      return list();
    });
    app.get("/bug", async (request) => sessions.sessionOf(request));
    await app.ready();
    return (...exchange: Parameters<typeof app.routing>) => app.routing(...exchange);
  },
  async hono(redirect: boolean) {
    const sessions = createHonoSessions(client, {
      onError: () => {},
      ...(redirect && { onRefused: (_refusal, c) => c.redirect("/login") }),
    });
    const app = new Hono();
    app.onError((error, c) =>
      error.message.startsWith("bug") ? c.text(error.message, 500) : sessions.onError(error, c),
    );
    app.get("/me", sessions.required, (c) => c.json(c.get("sessiond").secondsLeft));
    app.get("/login", async (c) => {
      c.header("Set-Cookie", "own=1");
      return c.json(await sessions.startLogin(c));
    });
    app.get("/form", (c) => c.text(sessions.csrfToken(c)));
    app.get("/call", async (c) => {
      await sessions.startLogin(c);
      return list();
    });
    app.get("/bug", () => {
      throw new Error("bug: the request has no session");
    });
    return getRequestListener(app.fetch);
  },
  async node(redirect: boolean) {
    const sessions = createNodeSessions(client, {
      onError: () => {},
      ...(redirect && {
        onRefused: (_refusal, _req, res) => {
          res.writeHead(302, { location: "/login" }).end();
        },
      }),
    });
    const routes: Record<string, ReturnType<typeof sessions.handle>> = {
      "/me": sessions.required((req, res) => res.end(String(req.sessiond.secondsLeft))),
      "/login": sessions.handle(async (req, res) => {
        res.setHeader("Set-Cookie", "own=1");
        res.end(await sessions.startLogin(req, res));
      }),
      "/form": sessions.handle((req, res) => res.end(sessions.csrfToken(req))),
      "/call": sessions.handle(async (req, res) => {
        await sessions.startLogin(req, res);
        res.end(await list());
      }),
      "/bug": sessions.handle(() => {
        throw new Error("the request has no session");
      }),
    };
    return ((req, res) => {
      routes[req.url ?? ""]?.(req, res).catch((error: Error) => {
        res.writeHead(500).end(error.message);
      });
    }) as RequestListener;
  },
};

describe("the browser's address behind a proxy", () => {
  /** Asks with the header of a proxy, and returns the address that sessiond gets. */
  async function addressSent(createApp: (client: SessionClient) => Promise<RequestListener>) {
    let sent: string | undefined;
    const app = await createApp({
      ...client,
      async create(request) {
        sent = request.ipAddress;
        return client.create(request);
      },
    });
    const server = await serve(app);
    await server.send("/login", { headers: { "x-forwarded-for": "192.0.2.7" } });
    await server.close();
    return sent;
  }

  for (const trusted of [true, false]) {
    const address = trusted ? "192.0.2.7" : "127.0.0.1";

    it(`is ${address} with express if the proxy is ${trusted ? "" : "not "}trusted`, async () => {
      const sent = await addressSent(async (recording) => {
        const sessions = createExpressSessions(recording);
        const app = express().set("trust proxy", trusted);
        return app.get("/login", async (req, res) => {
          res.send(await sessions.startLogin(req, res));
        });
      });
      expect(sent).to.equal(address);
    });

    it(`is ${address} with Fastify if the proxy is ${trusted ? "" : "not "}trusted`, async () => {
      const sent = await addressSent(async (recording) => {
        const sessions = createFastifySessions(recording);
        const app = fastify({ trustProxy: trusted });
        app.get("/login", (request, reply) => sessions.startLogin(request, reply));
        await app.ready();
        return (req, res) => app.routing(req, res);
      });
      expect(sent).to.equal(address);
    });
  }
});

for (const framework of ["express", "fastify", "hono", "node"] as const) {
  describe(`application with ${framework}`, () => {
    let server: TestServer | undefined;
    afterEach(async () => server?.close());

    it("keeps the cookies that it sets itself", async () => {
      server = await serve(await apps[framework](false));
      expect((await server.send("/login")).setCookies).to.have.members(
        framework === "express" ? ["own=1; Path=/", "ours=1"] : ["own=1", "ours=1"],
      );
    });

    it("can answer refused requests by itself", async () => {
      server = await serve(await apps[framework](true));
      const { status, headers } = await server.send("/me", { headers: { cookie: "a=b" } });
      expect(status).to.equal(302);
      expect(headers.location).to.equal("/login");
    });

    for (const redirect of [false, true]) {
      it(`sets no cookie with a refusal${redirect ? " of its own" : ""}, as late as it comes`, async () => {
        server = await serve(await apps[framework](redirect));
        const { status, setCookies } = await server.send("/call");
        expect(status).to.equal(redirect ? 302 : 503);
        expect(setCookies).to.deep.equal([]);
      });
    }

    it("answers a failed call of a handler as an outage of the middleware", async () => {
      server = await serve(await apps[framework](false));
      const { status, headers, json } = await server.send("/call");
      expect(status).to.equal(503);
      expect(headers["retry-after"]).to.equal("3");
      expect(headers["content-type"]).to.equal("application/problem+json");
      expect(json.reason).to.equal("STORAGE_UNAVAILABLE");
    });

    for (const [cookie, token] of [
      ["a=b; csrf=tok_-en", "tok_-en"],
      ["csrf=other; __Host-csrf=token; csrf=third", "token"],
      ["xcsrf=token; CSRF=token; csrf =token", ""],
      ["csrf=", ""],
      ['csrf="><script>', ""],
      ["csrf=t\xc3\xa9", ""],
      [[], ""],
    ] as const) {
      it(`has the token "${token}" for forms of a request with the cookies ${cookie}`, async () => {
        server = await serve(await apps[framework](false));
        const { text } = await server.send("/form", { headers: { cookie: [cookie].flat() } });
        expect(text).to.equal(token);
      });
    }

    it("handles its own errors by itself", async () => {
      server = await serve(await apps[framework](false));
      const { status, text } = await server.send("/bug");
      expect(status).to.equal(500);
      expect(text).to.contain("the request has no session");
    });
  });
}
