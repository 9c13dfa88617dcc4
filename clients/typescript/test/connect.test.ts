import { rm } from "node:fs/promises";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createTcpServer, type Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { expect } from "chai";
import { createTestFile } from "../../../test/support/callers.ts";
import { createAuthority, LOCAL_NAMES } from "../../../test/support/certificate-authority.ts";
import { testCertificate, testKey } from "../../../test/support/test-certificate.ts";
import { until } from "../../../test/support/until.ts";
import { connect, ErrorReason, type SessiondClient, sessionError } from "../src/index.ts";
import { failure, unavailable } from "./support/failures.ts";
import { type ScriptedServer, startScriptedServer } from "./support/scripted-server.ts";

/** No test reaches it. */
const GENEROUS = { timeoutMs: 600_000 };
const ACTOR = { actor: { actorType: "user", actorId: "alice" } };

/** A handler that answers when the call has ended. */
function pending({ signal }: HandlerContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

describe("connect() of the TypeScript client", () => {
  const cleanups: (() => unknown)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  function connected(...args: Parameters<typeof connect>): SessiondClient {
    const client = connect(...args);
    cleanups.push(() => client.close());
    return client;
  }

  async function serving(...args: Parameters<typeof startScriptedServer>): Promise<ScriptedServer> {
    const server = await startScriptedServer(...args);
    cleanups.push(() => server.stop());
    return server;
  }

  async function listening(server: Server): Promise<number> {
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    cleanups.push(() => server.close());
    return (server.address() as { port: number }).port;
  }

  async function failureOf(call: Promise<unknown>) {
    try {
      await call;
    } catch (error) {
      expect(error).to.be.instanceOf(ConnectError);
      return sessionError(error);
    }
    throw new Error("the call succeeded");
  }

  describe("address and options", () => {
    const right = "it must be http://host[:port] or https://host[:port]";
    const wrong: readonly [address: string, complaint: string][] = [
      ["", "is not a URL"],
      ["127.0.0.1:8480", "is not a URL"],
      ["localhost:8480", "has the scheme localhost:"],
      ["grpc://localhost:8480", "has the scheme grpc:"],
      ["http://alice:hunter2@localhost", "has a user or password"],
      ["http://localhost/sessiond", "has a path"],
      ["http://localhost/?a=b", "has a query"],
      ["http://localhost/#a", "has a fragment"],
    ];
    for (const [address, complaint] of wrong) {
      it(`refuses the address "${address}"`, () => {
        expect(() => connect(address))
          .to.throw(TypeError, complaint)
          .with.property("message")
          .that.contains(complaint)
          .and.does.not.contain("hunter2");
        expect(() => connect(address)).to.throw(right.slice(0, 10));
      });
    }

    it("accepts addresses with and without a port, and does not connect yet", () => {
      for (const address of ["http://localhost", "https://[::1]:1", "http://10.0.0.1:1/"]) {
        connected(address);
      }
    });

    const badOptions: readonly [Parameters<typeof connect>[1], string][] = [
      [{ timeoutMs: 0 }, "timeoutMs must be an integer from 1"],
      [{ timeoutMs: 1.5 }, "timeoutMs must be an integer from 1"],
      [{ timeoutMs: 1e9 }, "timeoutMs must be an integer from 1"],
      [{ keepAlive: { intervalMs: -1 } }, "keepAlive.intervalMs must be"],
      [{ keepAlive: { timeoutMs: Number.NaN } }, "keepAlive.timeoutMs must be"],
      [{ ca: "PEM" }, "ca is for TLS"],
      [{ serverName: "sessiond" }, "serverName is for TLS"],
    ];
    for (const [options, complaint] of badOptions) {
      it(`says what is wrong: ${complaint}`, () => {
        expect(() => connect("http://localhost", options)).to.throw(TypeError, complaint);
      });
    }

    it("refuses a certificate without its key", () => {
      const options = { cert: testCertificate };
      expect(() => connect("https://localhost", options)).to.throw("cert and key");
      const files = { certFile: import.meta.filename };
      expect(() => connect("https://localhost", files)).to.throw("certFile and keyFile");
    });

    it("refuses a text and a file for the same", () => {
      const path = import.meta.filename;
      const both = [
        { ca: "a", caFile: path },
        { token: "a", tokenFile: path },
      ];
      for (const options of both) {
        expect(() => connect("https://localhost", options)).to.throw(TypeError, "set either");
      }
    });

    it("names a file that it cannot read", () => {
      const options = { caFile: "/nonexistent/ca.pem" };
      const complaint = "the file /nonexistent/ca.pem of caFile cannot be read";
      expect(() => connect("https://localhost", options)).to.throw(TypeError, complaint);
    });
  });

  describe("token", () => {
    it("is not sent unencrypted to another host, unless that is allowed", () => {
      const token = "secret";
      for (const address of ["http://sessiond:8480", "http://10.0.0.1", "http://127.evil.com"]) {
        expect(() => connect(address, { token })).to.throw(TypeError, "unencrypted");
        expect(() => connect(address, { token: () => token })).to.throw(TypeError, "unencrypted");
        connected(address, { token, allowTokenOverPlaintext: true });
      }
      for (const address of ["http://localhost", "http://127.0.0.1", "http://[::1]", "https://a"]) {
        connected(address, { token });
      }
    });

    it("is sent with each call; a function is asked each time", async () => {
      const seen: (string | null)[] = [];
      const { url } = await serving({
        list(_request, { requestHeader }) {
          seen.push(requestHeader.get("authorization"));
          return {};
        },
      });
      await connected(url, { ...GENEROUS, token: "fixed" }).list(ACTOR);
      let count = 0;
      const client = connected(url, { ...GENEROUS, token: async () => `token-${++count}` });
      await client.list(ACTOR);
      await client.list(ACTOR);
      expect(seen).to.deep.equal(["Bearer fixed", "Bearer token-1", "Bearer token-2"]);
    });

    it("does not appear in the error about its characters", async () => {
      const { url } = await serving({});
      const error = await failureOf(connected(url, { token: "hunter2\n" }).list(ACTOR));
      expect(String(error.cause)).to.contain("the token is empty or has characters");
      expect(String(error.cause)).not.to.contain("hunter2");
    });
  });

  describe("token file", () => {
    async function tokenFile(content: string) {
      const file = await createTestFile(content);
      cleanups.push(() => file.remove());
      return file;
    }

    /** The last `authorization` that came, and how many connections there were. */
    async function seeing() {
      const seen = { authorization: "" as string | null };
      const server = await serving({
        list(_request, { requestHeader }) {
          seen.authorization = requestHeader.get("authorization");
          return {};
        },
      });
      return { seen, server };
    }

    it("is sent without the space around it, and read again without a new connection", async () => {
      const { seen, server } = await seeing();
      const file = await tokenFile("  first\n");
      const client = connected(server.url, { ...GENEROUS, tokenFile: file.path });
      await client.list(ACTOR);
      expect(seen.authorization).to.equal("Bearer first");
      await file.write("second");
      await until("the new token is sent", async () => {
        await client.list(ACTOR);
        return seen.authorization === "Bearer second";
      });
      expect(server.connectionCount()).to.equal(1);
    });

    it("fails a call while it is missing, empty or no token, and tells which file", async () => {
      const { seen, server } = await seeing();
      const file = await tokenFile("");
      const client = connected(server.url, { ...GENEROUS, tokenFile: file.path });
      const failing = async (complaint: string) => {
        const error = await failureOf(client.list(ACTOR));
        expect(error).to.include({ code: Code.Unauthenticated, browserStatus: 503 });
        expect(String(error.cause)).to.contain(`the token file ${file.path} ${complaint}`);
        expect(String(error.cause)).not.to.contain("hunter2");
        expect(error.message).not.to.contain(file.path);
      };
      await failing("is empty");
      await file.write("hunter2 hunter2");
      await failing("must have nothing but one token");
      await rm(file.path);
      await failing("cannot be read");
      expect(server.connectionCount()).to.equal(0);
      const other = await tokenFile("usable");
      await connected(server.url, { ...GENEROUS, tokenFile: other.path }).list(ACTOR);
      expect(seen.authorization).to.equal("Bearer usable");
    });

    it("is used as soon as it is there", async () => {
      const { seen, server } = await seeing();
      const file = await tokenFile("");
      const client = connected(server.url, { ...GENEROUS, tokenFile: file.path });
      await failureOf(client.list(ACTOR));
      await file.write("late");
      await client.list(ACTOR);
      expect(seen.authorization).to.equal("Bearer late");
    });

    it("is not sent unencrypted to another host", () => {
      const options = { tokenFile: "/nonexistent" };
      expect(() => connect("http://sessiond", options)).to.throw(TypeError, "unencrypted");
      connected("https://sessiond", options);
    });
  });

  describe("retries", () => {
    async function counting(
      method: string,
      answers: (attempt: number) => ConnectError | undefined,
    ) {
      const attempts: HandlerContext[] = [];
      const handler = (_request: unknown, context: HandlerContext) => {
        attempts.push(context);
        const error = answers(attempts.length);
        if (error !== undefined) throw error;
        return {};
      };
      const { url } = await serving({ [method]: handler });
      return { url, attempts };
    }

    const requests = {
      validate: {},
      validateCsrf: {},
      touch: {},
      revoke: {},
      revokeAllForActor: {},
      get: {},
      list: {},
      listSessions: {},
      revokeSessions: {},
      listSigningKeys: {},
      listTokenKeys: {},
      listAuditEvents: {},
      garbageCollect: {},
    } as const;
    for (const method of Object.keys(requests) as (keyof typeof requests)[]) {
      it(`makes ${method} again when sessiond is unavailable`, async () => {
        const { url, attempts } = await counting(method, (attempt) =>
          attempt < 3 ? unavailable(1) : undefined,
        );
        await connected(url, GENEROUS)[method]({});
        expect(attempts).to.have.length(3);
      });
    }

    for (const method of [
      "create",
      "rotateCsrf",
      "rotateSession",
      "rotateSigningKey",
      "rotateTokenKey",
      "updateMetadata",
    ] as const) {
      it(`never makes ${method} again`, async () => {
        const { url, attempts } = await counting(method, () => unavailable(1));
        await failureOf(connected(url, GENEROUS)[method]({}));
        expect(attempts).to.have.length(1);
      });
    }

    it("gives up after three attempts, with sessiond's own error", async () => {
      const { url, attempts } = await counting("list", () => unavailable(1));
      const error = await failureOf(connected(url, GENEROUS).list(ACTOR));
      expect(error.reason).to.equal(ErrorReason.STORAGE_UNAVAILABLE);
      expect(attempts).to.have.length(3);
    });

    it("retries an overload, and no other failure", async () => {
      const overloaded = await counting("list", () =>
        failure({ code: Code.ResourceExhausted, reason: ErrorReason.OVERLOADED, retryDelayMs: 1 }),
      );
      await failureOf(connected(overloaded.url, GENEROUS).list(ACTOR));
      expect(overloaded.attempts).to.have.length(3);
      for (const code of [Code.Unauthenticated, Code.Internal, Code.Aborted, Code.Unknown]) {
        const other = await counting("list", () => failure({ code, retryDelayMs: 1 }));
        await failureOf(connected(other.url, GENEROUS).list(ACTOR));
        expect(other.attempts, Code[code]).to.have.length(1);
      }
    });

    it("can be turned off", async () => {
      const { url, attempts } = await counting("list", () => unavailable(1));
      await failureOf(connected(url, { ...GENEROUS, retry: false }).list(ACTOR));
      expect(attempts).to.have.length(1);
    });

    it("does not wait past the deadline, and tells why the call failed", async () => {
      const { url, attempts } = await counting("list", () => unavailable(600_000));
      const error = await failureOf(connected(url, { timeoutMs: 500_000 }).list(ACTOR));
      expect(error.reason).to.equal(ErrorReason.STORAGE_UNAVAILABLE);
      expect(attempts).to.have.length(1);
    });

    it("tells the server the time that is left", async () => {
      const { url, attempts } = await counting("list", (attempt) =>
        attempt < 2 ? unavailable(200) : undefined,
      );
      await connected(url, { timeoutMs: 300_000 }).list(ACTOR);
      const [first = 0, second = 0] = attempts.map(({ requestHeader }) =>
        Number.parseInt(requestHeader.get("grpc-timeout") ?? "", 10),
      );
      expect(first).to.equal(300_000);
      // A timer can be early by a millisecond.
      expect(first - second).to.be.at.least(199);
    });

    it("stops when the caller cancels the call", async () => {
      const controller = new AbortController();
      const { url, attempts } = await counting("list", () => {
        setTimeout(() => controller.abort(), 10);
        return unavailable(300_000);
      });
      const { signal } = controller;
      const error = await failureOf(connected(url, GENEROUS).list(ACTOR, { signal }));
      expect(error.code).to.equal(Code.Canceled);
      expect(attempts).to.have.length(1);
    });

    it("obeys the pushback of gRPC, also one that forbids a retry", async () => {
      const { url, attempts } = await counting("list", () => {
        const error = unavailable(1);
        error.metadata.set("grpc-retry-pushback-ms", "-1");
        return error;
      });
      await failureOf(connected(url, GENEROUS).list(ACTOR));
      expect(attempts).to.have.length(1);
    });

    it("are throttled in an outage, as by gRPC", async () => {
      const { url, attempts } = await counting("list", () => unavailable(1));
      const client = connected(url, GENEROUS);
      for (let call = 0; call < 10; call++) await failureOf(client.list(ACTOR));
      // The first call: 3. The second: 2, which leaves half of the 10 tokens. Then one each.
      expect(attempts).to.have.length(3 + 2 + 8);
    });
  });

  describe("failures on the way", () => {
    const cut = { code: Code.Unavailable, browserStatus: 503, httpStatus: 0, reasonName: "" };

    it("are UNAVAILABLE if the connection is refused", async () => {
      const server = createTcpServer();
      const port = await listening(server);
      await new Promise((resolve) => server.close(resolve));
      expect(await failureOf(connected(`http://127.0.0.1:${port}`).list(ACTOR))).to.include(cut);
    });

    it("are UNAVAILABLE if the host does not exist", async () => {
      const client = connected("http://sessiond.invalid", GENEROUS);
      expect(await failureOf(client.list(ACTOR))).to.include(cut);
    });

    it("are UNAVAILABLE if the server ends in mid-call; a call that may be is made again", async () => {
      let attempts = 0;
      const server = await serving({
        create(_request, context) {
          server.cut();
          return pending(context);
        },
        list(_request, context) {
          attempts++;
          if (attempts > 1) return {};
          server.cut();
          return pending(context);
        },
      });
      const client = connected(server.url, GENEROUS);
      expect(await failureOf(client.create(ACTOR))).to.include(cut);
      await client.list(ACTOR);
      expect(attempts).to.equal(2);
    });

    it("are DEADLINE_EXCEEDED after the deadline, which a call can have of its own", async () => {
      const { url } = await serving({ list: (_request, context) => pending(context) });
      const error = await failureOf(connected(url, GENEROUS).list(ACTOR, { timeoutMs: 20 }));
      expect(error).to.include({ code: Code.DeadlineExceeded, browserStatus: 503 });
      const ofClient = await failureOf(connected(url, { timeoutMs: 20 }).list(ACTOR));
      expect(ofClient.code).to.equal(Code.DeadlineExceeded);
    });

    it("has a deadline of two seconds unless told otherwise", async () => {
      let timeout: string | null = null;
      const { url } = await serving({
        list(_request, { requestHeader }) {
          timeout = requestHeader.get("grpc-timeout");
          return {};
        },
      });
      await connected(url).list(ACTOR);
      expect(timeout).to.equal("2000m");
    });

    it("are CANCELLED if the caller cancels", async () => {
      const controller = new AbortController();
      const { url } = await serving({
        list(_request, context) {
          controller.abort();
          return pending(context);
        },
      });
      const call = connected(url, GENEROUS).list(ACTOR, { signal: controller.signal });
      expect((await failureOf(call)).code).to.equal(Code.Canceled);
    });

    const garbage = ["HTTP/1.1 200 OK\r\n\r\nhello", "SSH-2.0-OpenSSH_9.9\r\n", "\0".repeat(100)];
    for (const text of garbage) {
      it(`are an outage if the answer is ${JSON.stringify(text.slice(0, 8))}`, async () => {
        const server = createTcpServer((socket) => {
          socket.on("error", () => {});
          socket.once("data", () => socket.end(text));
        });
        const client = connected(`http://127.0.0.1:${await listening(server)}`, GENEROUS);
        const error = await failureOf(client.list(ACTOR));
        expect(error).to.include({ browserStatus: 503, httpStatus: 0 });
        expect(error.code).to.be.oneOf([Code.Unavailable, Code.Internal]);
      });
    }

    it("are an outage if another HTTP/2 server answers", async () => {
      const server = createHttp2Server((_request, response) => {
        response.writeHead(200, { "content-type": "text/html" });
        response.end("<p>Hello");
      });
      const port = await listening(server as unknown as Server);
      const client = connected(`http://127.0.0.1:${port}`, GENEROUS);
      const error = await failureOf(client.list(ACTOR));
      expect(error).to.include({ browserStatus: 503, httpStatus: 0 });
      client.close();
    });
  });

  describe("TLS", () => {
    const { createSecureServer } = process.getBuiltinModule("node:http2");

    async function secure(): Promise<number> {
      const server = createSecureServer(
        { cert: testCertificate, key: testKey },
        (_request, response) => {
          const status = { "grpc-status": "7", "grpc-message": "reached" };
          response.writeHead(200, { "content-type": "application/grpc+proto", ...status });
          response.end();
        },
      );
      return listening(server as unknown as Server);
    }

    it("trusts the given authority only", async () => {
      const port = await secure();
      const url = `https://127.0.0.1:${port}`;
      const reached = await failureOf(
        connected(url, { ...GENEROUS, ca: testCertificate }).list(ACTOR),
      );
      expect(String(reached.cause)).to.contain("reached");
      const refused = await failureOf(connected(url, GENEROUS).list(ACTOR));
      expect(refused).to.include({ code: Code.Unavailable, browserStatus: 503 });
    });

    it("checks the name, which can be overridden", async () => {
      const port = await secure();
      const options = { ...GENEROUS, ca: testCertificate };
      const url = `https://127.0.0.1:${port}`;
      const other = await failureOf(
        connected(url, { ...options, serverName: "sessiond.example" }).list(ACTOR),
      );
      expect(other.code).to.equal(Code.Unavailable);
      const named = await failureOf(
        connected(url, { ...options, serverName: "localhost" }).list(ACTOR),
      );
      expect(String(named.cause)).to.contain("reached");
    });

    it("reads the files of a client certificate for each new connection", async () => {
      const authority = createAuthority();
      const server = authority.issue({ san: LOCAL_NAMES });
      const names: string[] = [];
      const secureServer = createSecureServer(
        {
          cert: server.certificate,
          key: server.key,
          ca: authority.certificate,
          requestCert: true,
          rejectUnauthorized: true,
        },
        (request, response) => {
          const socket = request.socket as TLSSocket;
          names.push(String(socket.getPeerCertificate().subject.CN));
          const status = { "grpc-status": "7", "grpc-message": "reached" };
          response.writeHead(200, { "content-type": "application/grpc+proto", ...status });
          response.end();
        },
      );
      const url = `https://127.0.0.1:${await listening(secureServer as unknown as Server)}`;
      const first = authority.issue({ name: "first" });
      const [ca, cert, key] = await Promise.all([
        createTestFile(authority.certificate),
        createTestFile(first.certificate),
        createTestFile(first.key),
      ]);
      for (const file of [ca, cert, key]) cleanups.push(() => file.remove());
      const anonymous = connected(url, { ...GENEROUS, retry: false, caFile: ca.path });
      expect(await failureOf(anonymous.list(ACTOR))).to.include({ browserStatus: 503 });
      expect(names).to.deep.equal([]);

      const client = connected(url, {
        ...GENEROUS,
        retry: false,
        caFile: ca.path,
        certFile: cert.path,
        keyFile: key.path,
      });
      const reached = await failureOf(client.list(ACTOR));
      expect(String(reached.cause)).to.contain("reached");
      const second = authority.issue({ name: "second" });
      await cert.write(second.certificate);
      await key.write(second.key);
      await failureOf(client.list(ACTOR));
      client.close();
      await failureOf(client.list(ACTOR));
      expect(names).to.deep.equal(["first", "first", "second"]);
      await rm(cert.path);
      client.close();
      const unreadable = await failureOf(client.list(ACTOR));
      expect(unreadable.browserStatus).to.equal(503);
      expect(String((unreadable.cause as Error).cause)).to.contain("of certFile cannot be read");
    });

    it("is an outage if only one side uses it", async () => {
      const plain = connected(`http://127.0.0.1:${await secure()}`, GENEROUS);
      expect(await failureOf(plain.list(ACTOR))).to.include({ browserStatus: 503, httpStatus: 0 });
      const { url } = await serving({});
      const encrypted = connected(url.replace("http:", "https:"), GENEROUS);
      expect((await failureOf(encrypted.list(ACTOR))).code).to.equal(Code.Unavailable);
    });
  });

  it("connects again after close()", async () => {
    const { url } = await serving({ list: () => ({}) });
    const client = connected(url, GENEROUS);
    await client.list(ACTOR);
    client.close();
    await client.list(ACTOR);
  });
});
