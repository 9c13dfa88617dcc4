/** An application of each middleware, written as a user would, for the conformance scenarios and tests. */
import type { RequestListener } from "node:http";
import formbody from "@fastify/formbody";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import * as expressSessions from "../src/express.ts";
import * as fastifySessions from "../src/fastify.ts";
import * as honoSessions from "../src/hono.ts";
import * as nodeSessions from "../src/node.ts";
import type { RequestSession, SessionClient, SessionsOptions } from "../src/request-sessions.ts";

/** Of all frameworks: functions that do not look at the request. */
type Options = SessionsOptions<object>;

/** Listeners for `node:http` by the names of the middlewares. */
export async function createApps(client: SessionClient, options: Options = {}) {
  return {
    express: expressApp(client, options),
    fastify: await fastifyApp(client, options),
    hono: honoApp(client, options),
    node: nodeApp(client, options),
  };
}

function meOf({ session, secondsLeft, expiryWarning }: RequestSession) {
  const { actorId, tenantId, id: sessionId } = session;
  return { actorId, tenantId, sessionId, secondsLeft, expiryWarning };
}

function loginOf(form: Record<string, string | undefined>) {
  const { user = "", tenant } = form;
  return { actorId: user, ...(tenant && { tenantId: tenant }) };
}

function expressApp(client: SessionClient, options: Options): RequestListener {
  const sessions = expressSessions.createSessions(client, options);
  const acme = expressSessions.createSessions(client, { ...options, tenant: "acme" });
  const form = express.urlencoded();
  const app = express();
  app.get("/login", async (req, res) => {
    res.json({ csrfToken: await sessions.startLogin(req, res) });
  });
  app.post("/login", form, async (req, res) => {
    await sessions.checkLogin(req);
    const { session, csrfToken } = await sessions.logIn(req, res, loginOf(req.body));
    res.json({ actorId: session.actorId, csrfToken });
  });
  app.get("/me", sessions.required, (req, res) => {
    res.json(meOf(sessions.sessionOf(req)));
  });
  // The parser stands behind the middleware, which must leave the body to it.
  for (const method of ["post", "put", "patch", "delete"] as const) {
    app[method]("/change", sessions.required, form, (req, res) => {
      res.json({ actorId: sessions.sessionOf(req).session.actorId, body: req.body?.note ?? "" });
    });
  }
  app.all("/optional", sessions.optional, (req, res) => {
    res.json({ actorId: req.sessiond?.session.actorId ?? null });
  });
  app.get("/acme/me", acme.required, (req, res) => {
    res.json(meOf(acme.sessionOf(req)));
  });
  app.post("/logout", sessions.required, async (req, res) => {
    res.json(await sessions.logOut(req, res));
  });
  app.use(sessions.errorHandler);
  return app;
}

async function fastifyApp(client: SessionClient, options: Options): Promise<RequestListener> {
  const sessions = fastifySessions.createSessions(client, options);
  const acme = fastifySessions.createSessions(client, { ...options, tenant: "acme" });
  const app = fastify();
  await app.register(formbody);
  app.setErrorHandler(sessions.errorHandler);
  app.get("/login", async (request, reply) => ({
    csrfToken: await sessions.startLogin(request, reply),
  }));
  app.post<{ Body: Record<string, string> }>("/login", async (request, reply) => {
    await sessions.checkLogin(request);
    const login = loginOf(request.body);
    const { session, csrfToken } = await sessions.logIn(request, reply, login);
    return { actorId: session.actorId, csrfToken };
  });
  app.get("/me", { preHandler: sessions.required }, async (request) =>
    meOf(sessions.sessionOf(request)),
  );
  app.route<{ Body?: Record<string, string> }>({
    method: ["POST", "PUT", "PATCH", "DELETE"],
    url: "/change",
    preHandler: sessions.required,
    handler: async (request) => ({
      actorId: sessions.sessionOf(request).session.actorId,
      body: request.body?.note ?? "",
    }),
  });
  app.route({
    method: ["GET", "POST"],
    url: "/optional",
    preHandler: sessions.optional,
    handler: async ({ sessiond }) => ({ actorId: sessiond?.session.actorId ?? null }),
  });
  app.get("/acme/me", { preHandler: acme.required }, async (request) =>
    meOf(acme.sessionOf(request)),
  );
  app.post("/logout", { preHandler: sessions.required }, (request, reply) =>
    sessions.logOut(request, reply),
  );
  await app.ready();
  return (req, res) => app.routing(req, res);
}

function honoApp(client: SessionClient, options: Options): RequestListener {
  const sessions = honoSessions.createSessions(client, options);
  const acme = honoSessions.createSessions(client, { ...options, tenant: "acme" });
  const app = new Hono();
  app.onError(sessions.onError);
  app.get("/login", async (c) => c.json({ csrfToken: await sessions.startLogin(c) }));
  app.post("/login", async (c) => {
    await sessions.checkLogin(c);
    const login = loginOf((await c.req.parseBody()) as Record<string, string>);
    const { session, csrfToken } = await sessions.logIn(c, login);
    return c.json({ actorId: session.actorId, csrfToken });
  });
  app.get("/me", sessions.required, (c) => c.json(meOf(c.get("sessiond"))));
  app.on(["POST", "PUT", "PATCH", "DELETE"], "/change", sessions.required, async (c) => {
    const { note = "" } = await c.req.parseBody();
    return c.json({ actorId: c.get("sessiond").session.actorId, body: note });
  });
  app.on(["GET", "POST"], "/optional", sessions.optional, (c) =>
    c.json({ actorId: c.get("sessiond")?.session.actorId ?? null }),
  );
  app.get("/acme/me", acme.required, (c) => c.json(meOf(c.get("sessiond"))));
  app.post("/logout", sessions.required, async (c) => c.json(await sessions.logOut(c)));
  return getRequestListener(app.fetch);
}

function nodeApp(client: SessionClient, options: Options): RequestListener {
  const sessions = nodeSessions.createSessions(client, options);
  const acme = nodeSessions.createSessions(client, { ...options, tenant: "acme" });
  const send = (res: Parameters<RequestListener>[1], body: unknown) => {
    res.setHeader("content-type", "application/json").end(JSON.stringify(body));
  };
  const formOf = async (req: Parameters<RequestListener>[0]) => {
    let body = "";
    for await (const chunk of req.setEncoding("utf8")) body += chunk;
    return Object.fromEntries(new URLSearchParams(body));
  };
  const change = sessions.required(async (req, res) => {
    const { note = "" } = await formOf(req);
    send(res, { actorId: req.sessiond.session.actorId, body: note });
  });
  const optional = sessions.optional((req, res) => {
    send(res, { actorId: req.sessiond?.session.actorId ?? null });
  });
  const routes: Record<string, ReturnType<typeof sessions.handle>> = {
    "GET /login": sessions.handle(async (req, res) => {
      send(res, { csrfToken: await sessions.startLogin(req, res) });
    }),
    "POST /login": sessions.handle(async (req, res) => {
      await sessions.checkLogin(req);
      const { session, csrfToken } = await sessions.logIn(req, res, loginOf(await formOf(req)));
      send(res, { actorId: session.actorId, csrfToken });
    }),
    "GET /me": sessions.required((req, res) => send(res, meOf(req.sessiond))),
    "POST /change": change,
    "PUT /change": change,
    "PATCH /change": change,
    "DELETE /change": change,
    "GET /optional": optional,
    "POST /optional": optional,
    "GET /acme/me": acme.required((req, res) => send(res, meOf(req.sessiond))),
    "POST /logout": sessions.required(async (req, res) => {
      send(res, await sessions.logOut(req, res));
    }),
  };
  return (req, res) => {
    const route = routes[`${req.method} ${new URL(req.url ?? "/", "http://localhost").pathname}`];
    if (route === undefined) {
      res.writeHead(404).end();
      return;
    }
    route(req, res).catch((error) => {
      console.error(error);
      res.writeHead(500).end();
    });
  };
}
