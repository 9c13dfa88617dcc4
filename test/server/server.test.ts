import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import tls from "node:tls";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { ListenError } from "../../src/server/listener.ts";
import type { Server } from "../../src/server/server.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import {
  callGrpc,
  cookieOf,
  failureOf,
  frame,
  rawCall,
  testTls,
  useTransport,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";

const protocols = {
  gRPC: createGrpcTransport,
  "gRPC-Web": createGrpcWebTransport,
  Connect: createConnectTransport,
};

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
          it(`answers and fails over ${protocol} on HTTP/${httpVersion}`, async () => {
            const server = await transport.start({
              tls: security,
              service: {
                validate: (request) => ({ session: { id: cookieOf(request) } }),
                get: () => {
                  throw new ConnectError("no such session", Code.NotFound);
                },
              },
            });
            const client = createClient(
              SessionService,
              transportFor(server, protocol, httpVersion),
            );

            const answer = await client.validate(validateRequest("abc"));
            const failure = await failureOf<ConnectError>(client.get({}));

            expect(answer.session?.id).to.equal("abc");
            expect(failure.code).to.equal(Code.NotFound);
            expect(failure.rawMessage).to.equal("no such session");
          });
        }
      }

      it("answers grpc-js", async () => {
        const server = await transport.start({ tls: security });
        const client = transport.grpcClient(server);

        const answer = await callGrpc(
          client,
          SessionService.method.validate,
          validateRequest("abc"),
        );

        expect(answer.session?.id).to.equal("abc");
      });
    });
  }

  it("answers plain JSON over HTTP/1.1", async () => {
    const server = await transport.start();

    const response = await fetch(server.url + validatePath, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ cookie: "abc" }),
    });

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
      // Or the client itself would not try.
      ciphers: "DEFAULT@SECLEVEL=0",
    });

    const [error] = await once(socket, "error");
    expect(error.code).to.equal("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  it("serves HTTP/1.1 to a TLS client without ALPN", async () => {
    const server = await transport.start({ tls: testTls });

    const socket = tls.connect({ port: server.port, host: "127.0.0.1", ca: testCertificate });
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");

    const [answer] = await once(socket, "data");
    expect(String(answer)).to.match(/^HTTP\/1\.1 404 /);
    socket.destroy();
  });

  describe("choosing the protocol without TLS", () => {
    it("recognises an HTTP/2 preface that arrives byte by byte", async () => {
      const server = await transport.start();
      const socket = connect(server.port, "127.0.0.1");
      socket.setNoDelay();
      const emptySettings = "\0\0\0\x04\0\0\0\0\0";

      for (const byte of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${emptySettings}`) {
        await new Promise((resolve) => socket.write(byte, "latin1", resolve));
      }

      const [answer] = await once(socket, "data");
      // The server's own SETTINGS frame.
      expect(answer[3]).to.equal(4);
      socket.destroy();
    });

    it("treats what only starts like the preface as HTTP/1.1", async () => {
      const server = await transport.start();
      const socket = connect(server.port, "127.0.0.1");

      socket.write("PRI * HTTP/1.1\r\nHost: x\r\n\r\n");

      const [answer] = await once(socket, "data");
      expect(String(answer)).to.match(/^HTTP\/1\.1 400 /);
      socket.destroy();
    });

    it("serves on after connections that are reset or end before they say anything", async () => {
      const server = await transport.start();
      for (const leave of ["resetAndDestroy", "end"] as const) {
        const socket = connect(server.port, "127.0.0.1");
        await once(socket, "connect");
        socket.write("PRI");
        socket[leave]();
        await once(socket, "close");
      }

      const client = transport.grpcClient(server);
      const answer = await callGrpc(client, SessionService.method.validate, validateRequest("a"));

      expect(answer.session?.id).to.equal("a");
    });
  });

  describe("what is not a call", () => {
    const cases: [string, RequestInit, string, number][] = [
      ["the wrong verb", { method: "GET" }, validatePath, 405],
      ["an unknown codec", json("text/plain"), validatePath, 415],
      ["an unknown codec of Connect", json("application/xml"), validatePath, 415],
      ["an unknown method", json("application/json"), "/sessiond.v1.SessionService/No", 404],
    ];
    for (const [what, init, path, status] of cases) {
      it(`answers ${what} with ${status}`, async () => {
        const server = await transport.start();

        const response = await fetch(server.url + path, init);

        expect(response.status).to.equal(status);
        await response.arrayBuffer();
      });
    }

    function json(contentType: string): RequestInit {
      return { method: "POST", headers: { "content-type": contentType }, body: "{}" };
    }

    it("tells gRPC clients UNIMPLEMENTED for an unknown method", async () => {
      const server = await transport.start();
      const session = await transport.http2(server);

      const { stream, response } = rawCall(session, { ":path": "/no.Such/Method" });
      stream.end(frame(validateBytes("a")));

      expect(await response).to.include({ status: 200, grpcStatus: grpc.status.UNIMPLEMENTED });
    });

    it("survives a request without a usable host", async () => {
      const server = await transport.start();
      for (const head of ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: [\r\n"]) {
        const socket = connect(server.port, "127.0.0.1");
        socket.write(`POST ${validatePath} ${head}Content-Type: application/json\r\n\r\n`);

        const [answer] = await once(socket, "data");

        expect(String(answer)).to.match(/^HTTP\/1\.1 400 /);
        socket.destroy();
      }
      const session = await transport.http2(server);
      const { stream, response } = rawCall(session, { ":authority": "[" });
      stream.end();
      expect((await response).status).to.equal(400);
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

    const hosts: [string, RegExp][] = [
      ["192.0.2.1", /this machine does not have this address$/],
      ["no.such.host.invalid", /not an address or a name that can be resolved/],
    ];
    for (const [host, message] of hosts) {
      it(`names the option for the host ${host}`, async () => {
        const error = await failureOf(transport.start({ host }));
        expect(error.message).to.match(message).and.to.contain(host);
        expect(error).to.have.deep.property("options", ["host"]);
      });
    }

    it("names the option for a port out of range", async () => {
      const error = await failureOf(transport.start({ port: 65_536 }));
      expect(error.message).to.match(/port 65536: a port is a number from 0 to 65535$/);
      expect(error).to.have.deep.property("options", ["port"]);
    });

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
      it(`says what is wrong with a bad ${what}`, async () => {
        const error = await failureOf(transport.start({ tls: { certificate, key } }));
        expect(error.message).to.match(message);
      });
    }
  });
});
