import { createServer } from "node:http";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { expect } from "chai";
import express from "express";
import { Hono } from "hono";
import { isForm, parsedField, peekForm } from "../src/form-body.ts";
import { createSessions, type HonoSessionsOptions } from "../src/hono.ts";
import type { RequestSession } from "../src/index.ts";
import type { SessionClient } from "../src/request-sessions.ts";
import { serve, type TestServer } from "./support/http.ts";

describe("the form in a request's body", () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  /** Peeks twice, then reads the body as an application does. */
  async function peeking(limitBytes: number): Promise<TestServer> {
    const app = express();
    app.use(async (req, res, next) => {
      const first = await peekForm(req, limitBytes);
      const second = await peekForm(req, limitBytes);
      expect(second).to.equal(first);
      res.setHeader("x-token", first?.get("csrf_token") ?? "none");
      next();
    });
    app.post("/parsed", express.urlencoded({ limit: "10mb" }), (req, res) => {
      res.json(req.body?.note?.length ?? null);
    });
    app.post("/streamed", async (req, res) => {
      let length = 0;
      for await (const chunk of req) length += chunk.length;
      res.json(length);
    });
    server = await serve(app);
    return server;
  }

  for (const length of [0, 1, 50_000, 1_000_000]) {
    it(`can be read again after ${length} bytes`, async () => {
      const { send } = await peeking(10_000_000);
      const form = { csrf_token: "token", note: "x".repeat(length) };
      const parsed = await send("/parsed", { form });
      expect(parsed.headers["x-token"]).to.equal("token");
      expect(parsed.json).to.equal(length);
      const streamed = await send("/streamed", { form });
      expect(streamed.json).to.equal(new URLSearchParams(form).toString().length);
    });
  }

  it("is not searched above the limit, but can be read", async () => {
    const { send } = await peeking(1000);
    const form = { csrf_token: "token", note: "x".repeat(1_000_000) };
    const answer = await send("/parsed", { form });
    expect(answer.headers["x-token"]).to.equal("none");
    expect(answer.json).to.equal(1_000_000);
  });

  it("can be empty", async () => {
    const { send } = await peeking(1000);
    expect((await send("/streamed", { form: "" })).json).to.equal(0);
    const chunked = { "transfer-encoding": "chunked" };
    expect((await send("/parsed", { form: "", headers: chunked })).status).to.equal(200);
  });

  it("is none if the browser goes away in the middle of it", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const http = createServer((req) => void peekForm(req, 1000).then(resolve));
    await new Promise<void>((listening) => {
      http.listen(0, "127.0.0.1", listening);
    });
    const socket = connectSocket((http.address() as AddressInfo).port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\ncsrf_token=a");
    http.once("request", () => socket.destroy());
    expect(await promise).to.equal(undefined);
    await new Promise((closed) => http.close(closed));
  });

  /** Sessions of Hono that refuse everything, and the CSRF tokens that they have found. */
  function refusingSessions(options: HonoSessionsOptions = {}) {
    const tokens: (string | undefined)[] = [];
    const client: SessionClient = {
      validate: async (request) => {
        tokens.push(request.csrfToken);
        throw new Error("the test has seen enough");
      },
      create: () => Promise.reject(new Error("not in this test")),
      revoke: () => Promise.reject(new Error("not in this test")),
    };
    const onRefused = () => new Response("refused");
    const sessions = createSessions(client, { onError: () => {}, onRefused, ...options });
    return { tokens, sessions };
  }

  it("is not searched above the limit by Hono, whose handler can read it", async () => {
    const { tokens, sessions } = refusingSessions({ formLimitBytes: 1000 });
    const app = new Hono<{ Variables: { sessiond: RequestSession } }>();
    app.post("/", async (c) => {
      const check = sessions.required(c, async () => {});
      expect(await ((await check) as Response).text()).to.equal("refused");
      const { note } = await c.req.parseBody<{ note: string }>();
      return c.json(note.length);
    });
    server = await serve(getRequestListener(app.fetch));
    for (const length of [10, 100_000]) {
      const form = { csrf_token: "token", note: "x".repeat(length) };
      const answer = await server.send("/", { form, headers: { cookie: "a=b" } });
      expect(answer.json).to.equal(length);
    }
    expect(tokens).to.deep.equal(["token", ""]);
  });

  for (const read of ["parseBody", "formData", "text", "arrayBuffer", "blob"] as const) {
    it(`has the token after Hono's ${read}()`, async () => {
      const { tokens, sessions } = refusingSessions();
      const app = new Hono();
      app.use(async (c, next) => {
        await c.req[read]();
        await next();
      });
      app.post("/", sessions.required);
      server = await serve(getRequestListener(app.fetch));
      await server.send("/", { form: { csrf_token: "token" }, headers: { cookie: "a=b" } });
      expect(tokens).to.deep.equal(["token"]);
    });
  }

  it("is one by its media type only", () => {
    expect(isForm("application/x-www-form-urlencoded")).to.equal(true);
    expect(isForm("Application/X-WWW-Form-Urlencoded; charset=utf-8")).to.equal(true);
    for (const other of [undefined, "", "application/json", "multipart/form-data; boundary=a"]) {
      expect(isForm(other)).to.equal(false);
    }
  });

  it("has the first of several fields, and none of the prototype", () => {
    expect(parsedField({ a: ["1", "2"] }, "a")).to.equal("1");
    expect(parsedField({ a: { b: "1" } }, "a")).to.equal(undefined);
    for (const body of [undefined, null, "a=1", {}, { a: [] }]) {
      expect(parsedField(body, "a")).to.equal(undefined);
    }
    expect(parsedField({}, "toString")).to.equal(undefined);
  });
});
