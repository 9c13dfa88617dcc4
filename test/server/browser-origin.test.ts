import http from "node:http";
import https from "node:https";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { forbiddenError } from "../../src/rpc/errors.ts";
import type { OriginLimits } from "../../src/server/browser-origin.ts";
import type { Server } from "../../src/server/server.ts";
import { testCertificate } from "../support/test-certificate.ts";
import { echo, sendCall, testTls, useTransport, validatePath } from "../support/transport.ts";

const origins: OriginLimits = {
  allowedHosts: ["sessiond.test"],
  allowedOrigins: ["https://app.example"],
};

const allowed = {
  "a client that is no browser": {},
  "the fetch of Node": { "sec-fetch-mode": "cors" },
  "an allowed name": { host: "sessiond.test:8480" },
  "an allowed name in upper case": { host: "SESSIOND.test" },
  "an IPv4 address": { host: "10.1.2.3:8480" },
  "an IPv6 address": { host: "[::1]:8480" },
  localhost: { host: "localhost:8480" },
  "an allowed origin": { origin: "https://app.example", "sec-fetch-site": "cross-site" },
  "an address that a user has typed": { "sec-fetch-site": "none" },
};

const forbidden = {
  "a page after DNS rebinding, in an old browser": { host: "evil.example:8480" },
  "a name that only ends like an allowed one": { host: "evil.sessiond.test" },
  "a page after DNS rebinding": { host: "127.0.0.1:8480", origin: "http://evil.example:8480" },
  "a foreign origin": { origin: "https://evil.example" },
  "the allowed origin on another port": { origin: "https://app.example:8443" },
  "a sandboxed page": { origin: "null" },
  "another site": { "sec-fetch-site": "cross-site" },
  "a subdomain of the same site": { "sec-fetch-site": "same-site" },
};

describe("requests of web pages (F15)", () => {
  const transport = useTransport();

  /** Without fetch, which cannot send Host or Origin. */
  function post(server: Server, headers: Record<string, string>) {
    const { promise, resolve, reject } = Promise.withResolvers<{
      status: number | undefined;
      headers: http.IncomingHttpHeaders;
      body: string;
    }>();
    const { request: send } = server.url.startsWith("https") ? https : http;
    const request = send(server.url + validatePath, {
      ca: testCertificate,
      servername: "localhost",
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
    request.end('{"cookie":"a"}');
    return promise;
  }

  async function start(options: Parameters<typeof transport.start>[0] = {}) {
    let calls = 0;
    const validate: typeof echo.validate = (request, context) => {
      calls += 1;
      return echo.validate?.(request, context) ?? {};
    };
    const server = await transport.start({
      origins,
      forbiddenError,
      service: { validate },
      ...options,
    });
    return { server, calls: () => calls };
  }

  for (const [what, headers] of Object.entries(allowed)) {
    it(`serves ${what}`, async () => {
      const { server, calls } = await start();
      expect(await post(server, headers)).to.include({ status: 200 });
      expect(calls()).to.equal(1);
    });
  }

  for (const [what, headers] of Object.entries(forbidden)) {
    it(`refuses ${what} with 403 and CALLER_FORBIDDEN`, async () => {
      const { server, calls } = await start();
      const response = await post(server, headers);
      expect(response.status).to.equal(403);
      const { code, message, details } = JSON.parse(response.body);
      expect(code).to.equal("permission_denied");
      const setting = "host" in headers && !("origin" in headers) ? "HOSTS" : "ORIGINS";
      expect(message).to.include(`SESSIOND_ALLOWED_${setting}`);
      expect(JSON.stringify(details)).to.include("CALLER_FORBIDDEN");
      expect(response.headers).to.not.have.property("access-control-allow-origin");
      expect(calls()).to.equal(0);
    });
  }

  it("refuses a foreign origin over HTTP/2 too, in the form of gRPC", async () => {
    const { server, calls } = await start();
    const session = await transport.http2(server);
    for (const headers of [
      { origin: "https://evil.example" },
      { "sec-fetch-site": "cross-site" },
    ]) {
      const response = await sendCall(session, headers).response;
      expect(response).to.include({ status: 200, grpcStatus: grpc.status.PERMISSION_DENIED });
    }
    expect(calls()).to.equal(0);
    const response = await sendCall(session, { origin: "https://app.example" }).response;
    expect(response.grpcStatus).to.equal(grpc.status.OK);
  });

  it("does not compare the name over HTTP/2, where gRPC clients send any", async () => {
    const { server } = await start();
    const session = await transport.http2(server);
    const response = await sendCall(session, { ":authority": "10.0.0.1:1,evil.example" }).response;
    expect(response.grpcStatus).to.equal(grpc.status.OK);
  });

  it("does not compare the name over TLS, where the certificate decides", async () => {
    const { server } = await start({ tls: testTls });
    expect(await post(server, { host: "evil.example" })).to.include({ status: 200 });
  });

  it("serves every name, if that is not limited", async () => {
    const { server } = await start({ origins: { allowedHosts: undefined, allowedOrigins: [] } });
    expect(await post(server, { host: "evil.example" })).to.include({ status: 200 });
  });
});
