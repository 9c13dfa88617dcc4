import { create } from "@bufbuild/protobuf";
import { expect } from "chai";
import express, { type Request } from "express";
import { createSessions } from "../src/express.ts";
import { RevokeResponseSchema, ValidateResponseSchema } from "../src/index.ts";
import type { SessionClient } from "../src/request-sessions.ts";
import { failure } from "./support/failures.ts";
import { serve, type TestServer } from "./support/http.ts";

describe("a request that passes the middleware twice", () => {
  let server: TestServer | undefined;
  afterEach(() => server?.close());

  /** What each call has checked, such as "POST of acme with t token". */
  let checks: string[];
  const client: SessionClient = {
    async validate({ tenantId, csrfToken, httpMethod }) {
      const token = csrfToken === undefined ? "no" : csrfToken;
      checks.push(`${httpMethod} of ${tenantId ?? "any"} with ${token} token`);
      return create(ValidateResponseSchema, { session: { actorId: "alice" } });
    },
    create: () => Promise.reject(failure()),
    revoke: async () => create(RevokeResponseSchema, {}),
  };
  const tenantOfPath = ({ path }: Request) => path.split("/")[1];

  async function sendThrough(
    between: (req: Request) => void,
    tenant?: (request: Request) => string | undefined,
  ) {
    checks = [];
    const sessions = createSessions(client, tenant === undefined ? {} : { tenant });
    const app = express();
    app.use(sessions.required);
    app.use((req, _res, next) => {
      between(req);
      next();
    });
    app.all("/*path", sessions.required, (req, res) => {
      res.send(sessions.sessionOf(req).session.actorId);
    });
    server = await serve(app);
    const { text } = await server.send("/acme/me", { headers: { cookie: "session=a" } });
    expect(text).to.equal("alice");
    return checks;
  }

  it("is checked once", async () => {
    expect(await sendThrough(() => {})).to.deep.equal(["GET of any with no token"]);
  });

  it("needs the token if its method has become an unsafe one", async () => {
    const between = (req: Request) => {
      req.method = "DELETE";
      req.headers["x-csrf-token"] = "t";
    };
    expect(await sendThrough(between)).to.deep.equal([
      "GET of any with no token",
      "DELETE of any with t token",
    ]);
  });

  it("is checked for its own method if both are safe ones", async () => {
    const between = (req: Request) => {
      req.method = "OPTIONS";
    };
    expect(await sendThrough(between)).to.deep.equal([
      "GET of any with no token",
      "OPTIONS of any with no token",
    ]);
  });

  it("is checked for the tenant of its route", async () => {
    const between = (req: Request) => {
      req.url = "/other/me";
    };
    expect(await sendThrough(between, tenantOfPath)).to.deep.equal([
      "GET of acme with no token",
      "GET of other with no token",
    ]);
  });
});
