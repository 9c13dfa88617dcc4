import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Server } from "../../src/server/server.ts";
import {
  createAuthority,
  type IssuedCertificate,
  LOCAL_NAMES,
} from "../support/certificate-authority.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import {
  callGrpc,
  type StartOptions,
  sendCall,
  useTransport,
  validatePath,
  validateRequest,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;

const serverAuthority = createAuthority("server authority");
const authority = createAuthority("client authority");
const stranger = createAuthority("client authority");

function serverCredentials() {
  return serverAuthority.issue({ san: LOCAL_NAMES, usage: ["server"] });
}

const expired = {
  notBefore: new Date(Date.now() - 2 * DAY_MS),
  notAfter: new Date(Date.now() - DAY_MS),
};
const future = { notBefore: new Date(Date.now() + DAY_MS) };

const middle = authority.intermediate("intermediate authority");
const underMiddle = middle.issue();
const chain = { ...underMiddle, certificate: underMiddle.certificate + middle.certificate };

const accepted: Record<string, IssuedCertificate> = {
  "of the authority": authority.issue({ usage: ["client"] }),
  "of an intermediate authority that the client sends": chain,
};

const refused: Record<string, readonly [IssuedCertificate, string]> = {
  "of another authority of the same name": [stranger.issue(), "CERT_SIGNATURE_FAILURE"],
  "of the server's authority": [serverAuthority.issue(), "SELF_SIGNED_CERT_IN_CHAIN"],
  "that has expired": [authority.issue(expired), "CERT_HAS_EXPIRED"],
  "that is not valid yet": [authority.issue(future), "CERT_NOT_YET_VALID"],
  "that is for servers only": [authority.issue({ usage: ["server"] }), "INVALID_PURPOSE"],
  "without its intermediate authority": [underMiddle, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
};

/** Waits for the end of a connection, with or without an error. */
function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  return promise;
}

describe("mutual TLS (F01)", () => {
  const transport = useTransport();

  async function start(
    options: StartOptions & { clientCertificate?: "optional" | "required"; clientCa?: string } = {},
  ): Promise<Server> {
    const { clientCertificate, clientCa = authority.certificate, ...rest } = options;
    const credentials = { ...serverCredentials(), clientCa };
    const mutual = { ...credentials, ...(clientCertificate && { clientCertificate }) };
    return transport.start({ tls: mutual, ...rest });
  }

  const clientOptions = (client?: IssuedCertificate) => ({
    ca: serverAuthority.certificate,
    ...(client && { cert: client.certificate, key: client.key }),
  });

  function connect(server: Server, options: tls.ConnectionOptions): tls.TLSSocket {
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", ...options });
    socket.on("error", () => {});
    transport.cleanups.push(() => socket.destroy());
    return socket;
  }

  /** The HTTP status of a request over HTTP/1.1, or the code of the failure. */
  async function http1(server: Server, client?: IssuedCertificate): Promise<string> {
    const request = https.request(server.url, { ...clientOptions(client), agent: false });
    request.end();
    try {
      const [response] = (await once(request, "response")) as [IncomingMessage];
      await text(response);
      return String(response.statusCode);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }

  /** OK, or the failure, of a call by grpc-js. */
  async function overGrpc(server: Server, client?: IssuedCertificate): Promise<string> {
    const credentials = grpc.credentials.createSsl(
      Buffer.from(serverAuthority.certificate),
      client ? Buffer.from(client.key) : null,
      client ? Buffer.from(client.certificate) : null,
    );
    const grpcClient = new grpc.Client(`localhost:${server.port}`, credentials);
    transport.cleanups.push(() => grpcClient.close());
    const call = callGrpc(grpcClient, SessionService.method.validate, validateRequest("a"));
    return call.then(
      () => "OK",
      (error: grpc.ServiceError) => grpc.status[error.code] ?? String(error),
    );
  }

  for (const clientCertificate of ["optional", "required"] as const) {
    describe(`with a client certificate that is ${clientCertificate}`, () => {
      for (const [which, client] of Object.entries(accepted)) {
        it(`accepts one ${which}`, async () => {
          const server = await start({ clientCertificate });
          expect(await http1(server, client)).to.equal("404");
          expect(await overGrpc(server, client)).to.equal("OK");
        });
      }

      for (const [which, [client, reason]] of Object.entries(refused)) {
        for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
          it(`refuses one ${which}, over ${version}`, async () => {
            const reasons: string[] = [];
            const server = await start({
              clientCertificate,
              onClientCertificateRefused: (why, peer) => reasons.push(`${why} ${peer}`),
            });
            const options = { ...clientOptions(client), minVersion: version, maxVersion: version };
            const socket = connect(server, { ...options, ALPNProtocols: ["http/1.1"] });
            socket.write(`POST ${validatePath} HTTP/1.1\r\nHost: a\r\n\r\n`);
            let received = "";
            socket.on("data", (data) => {
              received += data;
            });
            await closed(socket);
            expect(received).to.equal("");
            const peer = clientCertificate === "optional" ? "127.0.0.1" : undefined;
            expect(reasons).to.deep.equal([`${reason} ${peer}`]);
          });
        }

        it(`refuses one ${which}, for grpc-js`, async () => {
          const server = await start({ clientCertificate });
          expect(await overGrpc(server, client)).to.equal("UNAVAILABLE");
        });
      }
    });
  }

  it("serves a client without a certificate if it is optional", async () => {
    const server = await start();
    expect(await http1(server)).to.equal("404");
    expect(await overGrpc(server)).to.equal("OK");
  });

  it("refuses a client without a certificate if it is required", async () => {
    const server = await start({ clientCertificate: "required" });
    expect(await http1(server)).to.equal("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    expect(await overGrpc(server)).to.equal("UNAVAILABLE");
  });

  it("does not ask for a certificate without a list of authorities, and ignores none", async () => {
    const server = await transport.start({ tls: serverCredentials() });
    expect(await overGrpc(server, stranger.issue())).to.equal("OK");
  });

  it("uses TLS 1.2 or later, with forward secrecy and authenticated encryption", async () => {
    const server = await start();
    const failure = async (options: tls.ConnectionOptions) => {
      const [error] = await once(connect(server, { ...clientOptions(), ...options }), "error");
      return error.code;
    };
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" } as const;
    expect(await failure(old)).to.match(/PROTOCOL_VERSION/);
    const maxVersion = "TLSv1.2";
    for (const ciphers of ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"]) {
      expect(await failure({ maxVersion, ciphers }), ciphers).to.match(/HANDSHAKE_FAILURE/);
    }
    const good = connect(server, { ...clientOptions(), maxVersion });
    await once(good, "secureConnect");
    expect(good.getCipher().name).to.match(/^ECDHE-ECDSA-.*GCM/);
  });

  describe("resumption of a TLS session", () => {
    /** Connects twice, the second time with the session of the first connection. */
    async function resume(server: Server, version: tls.SecureVersion, between: () => void) {
      const options = {
        ...clientOptions(accepted["of the authority"]),
        minVersion: version,
        maxVersion: version,
        ALPNProtocols: ["http/1.1"],
      };
      const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
      const first = connect(server, options);
      let session: Buffer | undefined;
      first.on("session", (data: Buffer) => {
        session = data;
      });
      first.end(request);
      expect(await text(first)).to.match(/^HTTP\/1.1 404/);
      session ??= first.getSession();
      between();
      const second = connect(server, { ...options, ...(session && { session }) });
      let reused: boolean | undefined;
      second.on("secureConnect", () => {
        reused = second.isSessionReused();
      });
      second.write(request);
      const response = await text(second).catch(() => "");
      return { response, reused };
    }

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      it(`does not let in a client whose authority is removed, over ${version}`, async () => {
        const credentials = serverCredentials();
        const server = await start();
        const next = { ...credentials, clientCa: stranger.certificate };
        const { response } = await resume(server, version, () => server.setTlsCredentials(next));
        expect(response).to.equal("");
      });

      it(`is not offered where clients have certificates, over ${version}`, async () => {
        const { response, reused } = await resume(await start(), version, () => {});
        expect(response).to.match(/^HTTP\/1.1 404/);
        expect(reused).to.equal(false);
      });

      it(`works where they have none, over ${version}`, async () => {
        const server = await transport.start({ tls: serverCredentials() });
        expect((await resume(server, version, () => {})).reused).to.equal(true);
      });
    }
  });

  describe("other credentials while it serves", () => {
    const fingerprintOf = (pem: string) => new X509Certificate(pem).fingerprint256;

    async function shownBy(server: Server): Promise<string> {
      const socket = connect(server, clientOptions());
      await once(socket, "secureConnect");
      return socket.getPeerX509Certificate()?.fingerprint256 ?? "";
    }

    for (const clientCa of [undefined, authority.certificate]) {
      it(`${clientCa ? "with" : "without"} client certificates, new connections get the new certificate and running calls go on`, async () => {
        const { service, started, release } = pendingHandler();
        const server = await transport.start({
          tls: { ...serverCredentials(), clientCa },
          service,
        });
        const session = http2.connect(server.url, clientOptions(authority.issue()));
        transport.cleanups.push(() => session.destroy());
        const { response } = sendCall(session);
        await started;

        const next = serverCredentials();
        server.setTlsCredentials({ ...next, clientCa });
        expect(await shownBy(server)).to.equal(fingerprintOf(next.certificate));
        release();
        expect((await response).grpcStatus).to.equal(grpc.status.OK);
        expect(session.closed).to.equal(false);
        expect((await sendCall(session).response).grpcStatus).to.equal(grpc.status.OK);
      });
    }

    it("keeps the credentials in force if the new ones cannot be used", async () => {
      const first = serverCredentials();
      const clientCa = authority.certificate;
      const server = await transport.start({ tls: { ...first, clientCa } });
      const next = serverCredentials();
      const bad = [
        [
          { ...next, certificate: first.certificate },
          "the TLS private key is not the certificate's",
        ],
        [{ ...next, certificate: next.certificate.slice(0, 100) }, "the TLS certificate is not"],
        [{ ...next, key: "" }, "the TLS private key is not usable PEM"],
        [{ ...next, clientCa: authority.certificate.slice(0, 100) }, "the client CA is not usable"],
        [
          { ...next, clientCa: middle.certificate },
          "it must have a root (self-signed) certificate",
        ],
        [{ ...next, clientCa: undefined }, "cannot change"],
      ] as const;
      for (const [credentials, message] of bad) {
        expect(() => server.setTlsCredentials({ clientCa, ...credentials })).to.throw(message);
      }
      expect(await shownBy(server)).to.equal(fingerprintOf(first.certificate));
      expect(await overGrpc(server, accepted["of the authority"])).to.equal("OK");

      const plain = await transport.start();
      expect(() => plain.setTlsCredentials(next)).to.throw("cannot change");
    });

    it("verifies clients by the new authorities, and asks those that are connected to connect again", async () => {
      const { service, started, release } = pendingHandler();
      const server = await start({ service });
      const client = accepted["of the authority"];
      const withCertificate = http2.connect(server.url, clientOptions(client));
      const without = http2.connect(server.url, clientOptions());
      for (const session of [withCertificate, without]) {
        transport.cleanups.push(() => session.destroy());
      }
      const { response } = sendCall(withCertificate);
      await started;
      await once(without, "remoteSettings");

      const goaway = once(withCertificate, "goaway");
      server.setTlsCredentials({ ...serverCredentials(), clientCa: stranger.certificate });
      await goaway;
      release();
      expect((await response).grpcStatus).to.equal(grpc.status.OK);
      await until("the connection has ended", async () => withCertificate.destroyed);
      expect(without.closed).to.equal(false);
      expect((await sendCall(without).response).grpcStatus).to.equal(grpc.status.OK);
      expect(await overGrpc(server, client)).to.equal("UNAVAILABLE");
      expect(await overGrpc(server, stranger.issue())).to.equal("OK");
    });

    it("ends connections over HTTP/1.1 with a certificate after the request, or at once when idle", async () => {
      const { service, started, release } = pendingHandler();
      const server = await start({ service });
      const options = { ...clientOptions(authority.issue()), ALPNProtocols: ["http/1.1"] };
      const idle = connect(server, options);
      idle.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await once(idle, "data");
      const silent = connect(server, options);
      await once(silent, "secureConnect");
      const busy = connect(server, options);
      const body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
      busy.write(`POST ${validatePath} HTTP/1.1\r\nHost: a\r\n${body}`);
      await started;

      const ended = [idle, silent].map(closed);
      server.setTlsCredentials({ ...serverCredentials(), clientCa: stranger.certificate });
      await Promise.all(ended);
      release();
      expect(await text(busy)).to.match(/^HTTP\/1.1 200[\s\S]*connection: close/i);
    });

    it("refuses a handshake that began under a list of authorities that has changed since", async () => {
      const server = await start();
      // The server's part of the handshake begins with the TCP connection.
      const raw = transport.connect(server);
      await once(raw, "connect");
      await http1(server);
      server.setTlsCredentials({ ...serverCredentials(), clientCa: stranger.certificate });
      const options = { ...clientOptions(authority.issue()), ALPNProtocols: ["http/1.1"] };
      const socket = tls.connect({ socket: raw, host: "localhost", ...options });
      socket.on("error", () => {});
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      let received = "";
      socket.on("data", (data) => {
        received += data;
      });
      await closed(raw);
      expect(received).to.equal("");
    });
  });
});
