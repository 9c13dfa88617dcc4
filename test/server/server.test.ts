import { once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import tls from "node:tls";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  type Transport,
} from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { createReflection } from "../../src/rpc/reflection.ts";
import { textResponse } from "../../src/server/fixed-response.ts";
import { ListenError } from "../../src/server/listener.ts";
import type { Server } from "../../src/server/server.ts";
import { exchange, openTapped } from "../support/exchange.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import {
  echo,
  failureOf,
  postJson,
  testTls,
  useTransport,
  validateOverGrpc,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

const protocols = {
  gRPC: createGrpcTransport,
  "gRPC-Web": createGrpcWebTransport,
  Connect: createConnectTransport,
};

const unknownMethod = "unknown service or method; the path of a call is /package.Service/Method";
const watchPath = "/grpc.health.v1.Health/Watch";

function routes(router: ConnectRouter): void {
  router.service(SessionService, echo);
  createHealth([]).routes(router);
}

/** fetch over HTTP/2, as far as these tests need it. */
async function fetchHttp2(address: string, init: RequestInit): Promise<Response> {
  const url = new URL(address);
  const session = http2.connect(url);
  const headers = Object.fromEntries(new Headers(init.headers));
  const stream = session.request({
    ":method": init.method ?? "GET",
    ":path": url.pathname,
    ...headers,
  });
  stream.end(init.body);
  const [{ ":status": status, ...received }] = (await once(stream, "response")) as [
    http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader,
  ];
  const body = await text(stream);
  session.close();
  return new Response(body, {
    ...(status !== undefined && { status }),
    headers: Object.entries(received).map(([name, value]) => [name, String(value)]),
  });
}

describe("server", () => {
  const transport = useTransport();

  function transportFor(
    server: Server,
    protocol: keyof typeof protocols,
    httpVersion: "1.1" | "2",
  ): Transport {
    const options = { baseUrl: server.url, nodeOptions: { ca: testCertificate } };
    return httpVersion === "2"
      ? protocols[protocol]({ ...options, httpVersion, idleConnectionTimeoutMs: 100 })
      : protocols[protocol]({ ...options, httpVersion });
  }

  for (const security of [undefined, testTls]) {
    describe(security ? "with TLS" : "without TLS", () => {
      for (const protocol of Object.keys(protocols) as (keyof typeof protocols)[]) {
        for (const httpVersion of ["1.1", "2"] as const) {
          it(`sends responses and errors over ${protocol} on HTTP/${httpVersion}`, async () => {
            const server = await transport.start({
              tls: security,
              service: {
                ...echo,
                get: () => {
                  throw new ConnectError("no such session", Code.NotFound);
                },
              },
            });
            const rpc = transportFor(server, protocol, httpVersion);
            const client = createClient(SessionService, rpc);

            const response = await client.validate(validateRequest("abc"));
            const failure = await failureOf<ConnectError>(client.get({}));

            expect(response.session?.id).to.equal("abc");
            expect(failure.code).to.equal(Code.NotFound);
            expect(failure.rawMessage).to.equal("no such session");
          });
        }
      }

      it("serves grpc-js", async () => {
        const client = transport.grpcClient(await transport.start({ tls: security }));
        expect((await validateOverGrpc(client, "abc")).session?.id).to.equal("abc");
      });
    });
  }

  it("serves plain JSON over HTTP/1.1", async () => {
    const response = await postJson(await transport.start(), JSON.stringify({ cookie: "abc" }));
    expect(response.status).to.equal(200);
    expect(await response.json()).to.deep.equal({ session: { id: "abc" } });
  });

  it("refuses TLS below 1.2", async () => {
    const server = await transport.start({ tls: testTls });

    const socket = tls.connect({
      port: server.port,
      host: "127.0.0.1",
      ca: testCertificate,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      // Otherwise the client itself refuses these versions.
      ciphers: "DEFAULT@SECLEVEL=0",
    });

    const [error] = await once(socket, "error");
    expect(error.code).to.equal("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  it("serves HTTP/1.1 to a TLS client without ALPN", async () => {
    const server = await transport.start({ tls: testTls });

    const socket = tls.connect({ port: server.port, host: "127.0.0.1", ca: testCertificate });
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");

    const [response] = await once(socket, "data");
    expect(String(response)).to.match(/^HTTP\/1\.1 404 /);
    socket.destroy();
  });

  describe("protocol detection without TLS", () => {
    it("recognises an HTTP/2 preface that arrives byte by byte", async () => {
      const server = await transport.start();
      const socket = transport.connect(server);
      socket.setNoDelay();
      const emptySettings = "\0\0\0\x04\0\0\0\0\0";

      for (const byte of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${emptySettings}`) {
        await new Promise((resolve) => socket.write(byte, "latin1", resolve));
      }

      const [response] = await once(socket, "data");
      // The server's own SETTINGS frame.
      expect(response[3]).to.equal(4);
    });

    it("treats what only starts like the preface as HTTP/1.1", async () => {
      const socket = transport.connect(await transport.start());
      socket.write("PRI * HTTP/1.1\r\nHost: x\r\n\r\n");
      const [response] = await once(socket, "data");
      expect(String(response)).to.match(/^HTTP\/1\.1 400 /);
    });

    it("survives connections that are reset or end before their protocol is known", async () => {
      const server = await transport.start();
      for (const leave of ["resetAndDestroy", "end"] as const) {
        const socket = transport.connect(server);
        await once(socket, "connect");
        socket.write("PRI");
        socket[leave]();
        await once(socket, "close");
      }

      const { session } = await validateOverGrpc(transport.grpcClient(server));
      expect(session?.id).to.equal("a");
    });
  });

  describe("invalid requests", () => {
    const advice =
      "send POST with content-type: application/json, application/proto, application/grpc or application/grpc-web";
    const post = (contentType: string): RequestInit => ({
      method: "POST",
      headers: { "content-type": contentType },
      body: "{}",
    });
    const cases: [string, RequestInit, string, number, code: string, message: string][] = [
      ["the wrong verb", { method: "GET" }, validatePath, 405, "unknown", advice],
      ["an unknown codec", post("text/plain"), validatePath, 415, "unknown", advice],
      [
        "an unknown codec of Connect",
        post("application/xml"),
        validatePath,
        415,
        "unknown",
        advice,
      ],
      [
        "a form, as which curl sends data by default",
        post("application/x-www-form-urlencoded"),
        validatePath,
        415,
        "unknown",
        advice,
      ],
      [
        "unary JSON for a stream",
        post("application/json"),
        watchPath,
        415,
        "unknown",
        "send POST with content-type: application/connect+json, application/connect+proto, application/grpc or application/grpc-web",
      ],
      [
        "an unknown method",
        post("application/json"),
        "/sessiond.v1.SessionService/No",
        404,
        "unimplemented",
        unknownMethod,
      ],
      ["an unknown path", { method: "GET" }, "/favicon.ico", 404, "unimplemented", unknownMethod],
    ];
    for (const [what, init, path, status, code, message] of cases) {
      for (const httpVersion of ["1.1", "2"]) {
        it(`refuses ${what} over HTTP/${httpVersion} with ${status} and says what to send`, async () => {
          const server = await transport.start({ routes });
          const response = await (httpVersion === "2" ? fetchHttp2 : fetch)(
            server.url + path,
            init,
          );
          expect(response.status).to.equal(status);
          expect(response.headers.get("content-type")).to.equal("application/json; charset=utf-8");
          expect(response.headers.get("allow")).to.equal(status === 405 ? "POST" : null);
          const accepted = message.replace(/^.*: /, "").replace(" or ", ", ");
          expect(response.headers.get("accept-post")).to.equal(status === 415 ? accepted : null);
          expect(await response.json()).to.deep.equal({ code, message });
        });
      }
    }

    for (const httpVersion of ["1.1", "2"]) {
      it(`refuses HEAD over HTTP/${httpVersion} without a body`, async () => {
        const server = await transport.start();
        for (const [path, status] of [[validatePath, 405] as const, ["/", 404] as const]) {
          const response = await (httpVersion === "2" ? fetchHttp2 : fetch)(server.url + path, {
            method: "HEAD",
          });
          expect(response.status).to.equal(status);
          expect(await response.text()).to.equal("");
        }
      });

      it(`says over HTTP/${httpVersion} what it is at the address alone`, async () => {
        const server = await transport.start({
          documents: new Map([["/", () => textResponse("a test")]]),
        });
        const response = await (httpVersion === "2" ? fetchHttp2 : fetch)(`${server.url}/`, {});
        expect(response.status).to.equal(200);
        expect(response.headers.get("content-type")).to.equal("text/plain; charset=utf-8");
        expect(await response.text()).to.equal("a test");
      });
    }

    it("sends no second response after one that has begun over HTTP/1.1", async () => {
      const socket = transport.connect(await transport.start({ routes }));
      const received = text(socket);
      const headers = "Host: x\r\nContent-Type: application/connect+json\r\nContent-Length: 7";
      const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]);
      socket.write(`POST ${watchPath} HTTP/1.1\r\n${headers}\r\n\r\n`);
      socket.write(message);
      await once(socket, "readable");
      socket.write("this is no request\r\n\r\n");
      expect(await received)
        .to.match(/^HTTP\/1\.1 200 /)
        .and.not.to.include(" 400 ");
    });

    it("refuses a bidirectional stream over HTTP/1.1 with 505 and says what to use", async () => {
      const server = await transport.start({
        routes: (router) => createReflection([SessionService], []).routes(router),
      });
      const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
      const response = await fetch(server.url + path, post("application/connect+json"));
      expect(response.status).to.equal(505);
      expect(await response.json()).to.deep.equal({
        code: "unknown",
        message: "call this method over HTTP/2",
      });
    });

    for (const [name, headers, contentType] of [
      ["gRPC", {}, "application/grpc"],
      ["gRPC with a codec", { "content-type": "application/grpc+proto" }, "application/grpc+proto"],
      ["gRPC with an unknown codec", { "content-type": "application/grpc+x" }, "application/grpc"],
      ["gRPC-Web", { "content-type": "application/grpc-web" }, "application/grpc-web"],
      [
        "gRPC-Web as text",
        { "content-type": "application/grpc-web-text" },
        "application/grpc-web-text",
      ],
    ] as const) {
      it(`E01 refuses an unknown method of ${name} in a single frame`, async () => {
        const tapped = await openTapped(await transport.start());
        transport.cleanups.push(() => tapped.session.destroy());
        const unknown = { ":path": "/no.Such/Method", ...headers };
        const whole = await exchange(tapped, { headers: unknown });
        const unfinished = await exchange(tapped, { headers: unknown, send: () => {} });
        const next = await exchange(tapped);

        expect(whole.frames[0]).to.equal("HEADERS END_STREAM");
        expect(unfinished.frames).to.deep.equal(["HEADERS END_STREAM", "RST_STREAM 0"]);
        expect(unfinished.trailers).to.deep.equal([
          ":status: 200",
          `content-type: ${contentType}`,
          "date: (a date)",
          `grpc-message: ${unknownMethod}`,
          "grpc-status: 12",
        ]);
        expect(next.trailers).to.deep.equal(["grpc-status: 0"]);
      });
    }

    it("closes the stream of an unknown method whose JSON does not end", async () => {
      const tapped = await openTapped(await transport.start());
      transport.cleanups.push(() => tapped.session.destroy());
      const { frames } = await exchange(tapped, {
        headers: { ":path": "/no.Such/Method", "content-type": "application/json" },
        send: (stream) => stream.write("{"),
      });
      expect(frames.at(-1)).to.equal("RST_STREAM 0");
    });

    it("closes the stream of a client that does not accept the response", async () => {
      const server = await transport.start();
      const session = http2.connect(server.url, { settings: { initialWindowSize: 0 } });
      transport.cleanups.push(() => session.destroy());
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      stream.resume();
      const [headers] = await once(stream, "response");
      expect(headers[":status"]).to.equal(404);
      await once(stream, "close");
    });

    for (const protocol of Object.keys(protocols) as (keyof typeof protocols)[]) {
      for (const httpVersion of ["1.1", "2"] as const) {
        it(`refuses an unknown method with UNIMPLEMENTED over ${protocol} on HTTP/${httpVersion}`, async () => {
          const server = await transport.start({ routes: () => {} });
          const client = createClient(SessionService, transportFor(server, protocol, httpVersion));
          const failure = await failureOf<ConnectError>(client.validate({}));
          expect(failure.code).to.equal(Code.Unimplemented);
          expect(failure.rawMessage).to.equal(unknownMethod);
        });
      }
    }

    it("refuses an HTTP/1.1 request without a usable host, as RFC 9112 asks, and survives it", async () => {
      const server = await transport.start();
      for (const head of ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: [\r\n"]) {
        const socket = transport.connect(server);
        socket.write(`POST ${validatePath} ${head}Content-Type: application/json\r\n\r\n`);
        const [response] = await once(socket, "data");
        expect(String(response)).to.match(/^HTTP\/1\.1 400 .*the Host header must be/s);
      }
    });

    it("says what is wrong with what is not HTTP/1.1, and closes the connection", async () => {
      const failed: string[] = [];
      const onError = (_error: unknown, where: string) => failed.push(where);
      const socket = transport.connect(await transport.start({ onError }));
      socket.write("GET / HTTP/1.1 secret\r\n\r\n");
      const response = await text(socket);
      expect(failed).to.deep.equal(["HTTP/1.1 connection"]);
      expect(response).to.match(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(JSON.parse(response.split("\r\n\r\n")[1] ?? "")).to.deep.equal({
        code: "invalid_argument",
        message: "the request is not valid HTTP/1.1",
      });
    });
  });

  describe("first bytes that are no HTTP", () => {
    for (const [what, bytes] of Object.entries({
      "no preface": "INVALID CONNECTION PREFACE\r\n\r\n",
      "a TLS handshake": "\x16\x03\x01\x02\x00",
    })) {
      it(`are not answered without TLS: ${what}`, async () => {
        const failed: string[] = [];
        const onError = (_error: unknown, where: string) => failed.push(where);
        const socket = transport.connect(await transport.start({ onError }));
        socket.on("error", () => {});
        socket.write(bytes, "latin1");
        expect(await text(socket)).to.equal("");
        expect(failed).to.deep.equal(["HTTP/1.1 connection"]);
      });
    }

    it("are answered after a request, and with TLS", async () => {
      const plain = transport.connect(await transport.start());
      plain.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      await once(plain, "readable");
      plain.write("INVALID\r\n\r\n");
      expect(await text(plain)).to.include("HTTP/1.1 400 ");

      const { port } = await transport.start({ tls: testTls });
      const encrypted = tls.connect({ port, host: "127.0.0.1", ca: testCertificate });
      encrypted.write("INVALID\r\n\r\n");
      expect(await text(encrypted)).to.include("HTTP/1.1 400 ");
    });
  });

  describe("starting", () => {
    it("names host, port and option when the port is taken", async () => {
      const other = createServer().listen(0, "127.0.0.1");
      await once(other, "listening");
      const { port } = other.address() as AddressInfo;
      transport.cleanups.push(() => other.close());

      const error = await failureOf(transport.start({ port }));

      expect(error).to.be.instanceOf(ListenError).and.to.have.deep.property("options", ["port"]);
      expect(error.message).to.equal(
        `cannot listen on host "127.0.0.1", port ${port}: another process is using this port`,
      );
    });

    const wrongOptions: [{ host: string } | { port: number }, RegExp][] = [
      [{ host: "192.0.2.1" }, /"192\.0\.2\.1".* this machine does not have this address$/],
      [
        { host: "no.such.host.invalid" },
        /"no\.such\.host\.invalid".* not an address or a name that can be resolved/,
      ],
      [{ port: 65_536 }, /port 65536: a port is a number from 0 to 65535$/],
    ];
    for (const [options, message] of wrongOptions) {
      it(`names the option for ${JSON.stringify(options)}`, async () => {
        const error = await failureOf(transport.start(options));
        expect(error.message).to.match(message);
        expect(error).to.have.deep.property("options", Object.keys(options));
      });
    }

    const otherKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
`;
    const credentials: [string, string, string, RegExp][] = [
      ["certificate", "nonsense", testKey, /^the TLS certificate is not usable PEM/],
      ["key", testCertificate, "nonsense", /^the TLS private key is not usable PEM/],
      ["pair", testCertificate, otherKey, /^the TLS private key is not the certificate's$/],
    ];
    for (const [what, certificate, key, message] of credentials) {
      it(`rejects a bad ${what}, and says why`, async () => {
        const error = await failureOf(transport.start({ tls: { certificate, key } }));
        expect(error.message).to.match(message);
      });
    }
  });
});
