import { once } from "node:events";
import http2 from "node:http2";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byCookie, newActor, openSession, validate } from "../support/actors.ts";
import { type ReplicaOptions, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import {
  type CallerClient,
  clientOf,
  createTestFile,
  newToken,
  sha256,
  type TestFile,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import {
  callGrpc,
  frame,
  failureOf as grpcFailureOf,
  rawCall,
  sendCall,
  validateBytes,
  validatePath,
  validateRequest,
} from "../support/transport.ts";
import { until } from "../support/until.ts";

describe("callers with tokens (F01)", () => {
  const token = newToken();
  let file: TestFile;
  let app: TestApp;
  let lines: Record<string, unknown>[];
  let log: string[];
  const clients: CallerClient[] = [];

  async function start(options: ReplicaOptions = {}): Promise<void> {
    lines = [];
    log = [];
    app = await startTestApp({
      ...options,
      env: { SESSIOND_CALLERS_FILE: file.path, ...options.env },
      onLog(line) {
        log.push(line);
        lines.push(JSON.parse(line));
      },
    });
  }

  beforeEach(async () => {
    file = await createTestFile(tokenLine(token));
    await start();
  });
  afterEach(async () => {
    for (const { close } of clients.splice(0)) close();
    await app.stop();
    await file.remove();
  });

  /** A client with its own connection. */
  function clientWith(interceptor: Parameters<typeof clientOf>[1]) {
    const client = clientOf(app.url, interceptor);
    clients.push(client);
    return client.client;
  }

  const unknownCookie = { credential: { case: "cookie", value: "x" } } as const;

  describe("are accepted", () => {
    it("over gRPC, by grpc-js", async () => {
      const client = new grpc.Client(new URL(app.url).host, grpc.credentials.createInsecure());
      const call = (authorization: string) =>
        callGrpc(client, SessionService.method.validate, validateRequest("x"), {
          metadata: { authorization },
        });
      const accepted = await grpcFailureOf<grpc.ServiceError>(call(`Bearer ${token}`));
      const refused = await grpcFailureOf<grpc.ServiceError>(call(`Bearer ${token}x`));
      client.close();
      expect(accepted.details).to.equal("the session cookie is missing or not valid");
      expect(refused.details).to.equal("the calling service did not prove who it is");
    });

    it("over Connect in JSON, by fetch", async () => {
      const post = (headers: Record<string, string>) =>
        fetch(app.url + validatePath, {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: "{}",
        });
      const accepted = await post({ authorization: `Bearer ${token}` });
      const refused = await post({});
      expect([accepted.status, refused.status]).to.deep.equal([401, 401]);
      expect(await accepted.json()).to.include({
        message: "the session cookie is missing or not valid",
      });
      expect(await refused.json()).to.include({
        message: "the calling service did not prove who it is",
      });
    });

    it("over gRPC-Web and Connect, binary", async () => {
      for (const create of [createGrpcWebTransport, createConnectTransport]) {
        const transport = create({
          baseUrl: app.url,
          httpVersion: "1.1",
          interceptors: [withToken(token)],
        });
        const client = createClient(SessionService, transport);
        await expectFailure(client.validate(unknownCookie), "INVALID_COOKIE");
        const plain = createClient(
          SessionService,
          create({ baseUrl: app.url, httpVersion: "1.1" }),
        );
        await expectFailure(plain.validate(unknownCookie), "CALLER_UNAUTHENTICATED");
      }
    });

    it("with the scheme in any case and several spaces", async () => {
      for (const header of [`bearer ${token}`, `BEARER  ${token}`]) {
        const headers = { authorization: header };
        await expectFailure(app.client.validate(unknownCookie, { headers }), "INVALID_COOKIE");
      }
    });
  });

  describe("are refused, all with one error,", () => {
    const wrong: [string, string | undefined][] = [
      ["without a header", undefined],
      ["with an empty header", ""],
      ["with the scheme alone", "Bearer"],
      ["with an unknown token", `Bearer ${newToken()}`],
      ["with a part of the token", `Bearer ${token.slice(0, -1)}`],
      ["with more than the token", `Bearer ${token}0`],
      ["with the hash of the token", `Bearer ${sha256(token)}`],
      ["with two tokens", `Bearer ${token} ${token}`],
      ["with two tokens in a list", `Bearer ${token}, Bearer ${token}`],
      ["with another scheme", `Basic ${Buffer.from(`web:${token}`).toString("base64")}`],
      ["with the token alone", token],
    ];
    for (const [what, authorization] of wrong) {
      it(what, async () => {
        const headers: Record<string, string> =
          authorization === undefined ? {} : { authorization };
        const error = await expectFailure(
          app.client.validate(unknownCookie, { headers }),
          "CALLER_UNAUTHENTICATED",
        );
        expect(error.rawMessage).to.equal("the calling service did not prove who it is");
        const json = await fetch(app.url + validatePath, {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: "{}",
        });
        expect(json.status).to.equal(401);
        expect(await json.json()).to.include({ message: error.rawMessage });
      });
    }

    it("with several headers, over HTTP/1.1", async () => {
      const socket = connect(Number(new URL(app.url).port), "127.0.0.1");
      const header = `Authorization: Bearer ${token}\r\n`;
      const request = (headers: string) =>
        `POST ${validatePath} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
        `Content-Length: 2\r\nConnection: close\r\n${headers}\r\n{}`;
      socket.write(request(header + header));
      expect(await text(socket)).to.include("the calling service did not prove who it is");
    });

    it("with several headers, over HTTP/2", async () => {
      const session = http2.connect(app.url, { strictSingleValueFields: false } as object);
      await once(session, "connect");
      const authorization = Array(2).fill(`Bearer ${token}`) as unknown as string;
      const one = sendCall(
        session,
        { authorization: `Bearer ${token}` },
        frame(validateBytes("x")),
      );
      expect((await one.response).grpcMessage).to.match(/session cookie/);
      const two = rawCall(session, { authorization });
      two.stream.end(frame(validateBytes("x")));
      expect((await two.response).grpcMessage).to.match(/did not prove who it is/);
      session.destroy();
    });
  });

  it("are compared as a whole, also with one that is remembered and ends in the same way", async () => {
    const long = "a".repeat(100);
    await file.write(tokenLine(long));
    await app.app.readFiles();
    const call = (presented: string) => {
      const headers = { authorization: `Bearer ${presented}` };
      return app.client.validate(unknownCookie, { headers });
    };
    await expectFailure(call(long), "INVALID_COOKIE");
    await expectFailure(call(`b${long.slice(1)}`), "CALLER_UNAUTHENTICATED");
    await expectFailure(call(`a${long}`), "CALLER_UNAUTHENTICATED");
    await expectFailure(call(long), "INVALID_COOKIE");
  });

  it("need none for health checks, whatever they present", async () => {
    const health = createClient(Health, app.transport);
    expect((await health.check({})).status).to.equal(1);
    const headers = { authorization: "Bearer wrong" };
    expect((await health.check({}, { headers })).status).to.equal(1);
    for await (const { status } of health.watch({}, { headers })) {
      expect(status).to.equal(1);
      break;
    }
  });

  it("stand in the audit as the calling service", async () => {
    const client = clientWith(withToken(token));
    const { id, cookie } = await openSession(client);
    await client.revoke({ session: byCookie(cookie) });
    await failureOf(validate(client, cookie));
    await until("the denial is written", async () => (await auditOf(app.sql, id)).length === 3);
    const rows = await auditOf(app.sql, id);
    expect(rows.map(({ calling_service }) => calling_service)).to.deep.equal(["web", "web", "web"]);
  });

  it("stand in every line of the log about a call, also of one that no handler gets", async () => {
    const client = clientWith(withToken(token));
    await openSession(client);
    await failureOf(validate(client, "x"));
    await failureOf(client.garbageCollect({}));
    await fetch(app.url + validatePath, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: '{"cookie":17}',
    });
    const calls = () => lines.filter(({ rpc }) => rpc !== undefined);
    await until("all are logged", async () => calls().length === 4);
    expect(calls().map(({ caller, code }) => `${caller} ${code}`)).to.deep.equal([
      "web OK",
      "web UNAUTHENTICATED",
      "web PERMISSION_DENIED",
      "web INVALID_ARGUMENT",
    ]);
  });

  it("are told from the log why, which the caller is not, and counted", async () => {
    await failureOf(app.client.validate(unknownCookie));
    const headers = { authorization: `Bearer ${newToken()}` };
    await failureOf(app.client.validate(unknownCookie, { headers }));
    await until("both are logged", async () => lines.filter(({ rpc }) => rpc).length === 2);
    expect(
      lines.filter(({ rpc }) => rpc).map(({ reason, detail }) => [reason, detail]),
    ).to.deep.equal([
      ["CALLER_UNAUTHENTICATED", "no token and no certificate"],
      ["CALLER_UNAUTHENTICATED", "no line of the callers file has the token"],
    ]);
    await app.app.stop();
    const counted = lines.find(({ msg }) => msg === "calls denied without an audit event");
    expect(counted?.reasons).to.deep.equal({ CALLER_UNAUTHENTICATED: 2 });
  });

  it("leave their token in no log, error or row, right or wrong", async () => {
    const unknown = newToken();
    const malformed = newToken();
    const client = clientWith(withToken(token));
    const { cookie } = await openSession(client);
    const errors = [
      await failureOf(validate(client, "x")),
      await failureOf(client.garbageCollect({})),
      await failureOf(validate(clientWith(withToken(unknown)), cookie)),
      await failureOf(validate(clientWith(withToken(`${malformed} ${malformed}`)), cookie)),
    ];
    await client.revoke({ session: byCookie(cookie) });
    await file.write(tokenLine(token), malformed);
    await app.app.readFiles();
    await app.app.stop();
    const rows = await app.sql("SELECT to_jsonb(a)::text AS row FROM audit_events a");
    const seen = [
      ...log,
      ...errors.flatMap(({ message, details, metadata }) => [
        message,
        JSON.stringify(details),
        ...metadata.values(),
      ]),
      ...rows.map(({ row }) => row),
    ].join("\n");
    expect(seen).to.include("CALLER_UNAUTHENTICATED").and.include("line 2 is not JSON");
    for (const secret of [token, unknown, malformed, sha256(token)]) {
      expect(seen).not.to.include(secret);
    }
  });

  describe("after a change of the file", () => {
    it("are no longer accepted on an open connection, and others are", async () => {
      const client = clientWith(withToken(token));
      const { cookie } = await openSession(client);
      const next = newToken();
      await file.write(tokenLine(next));
      await app.app.readFiles();
      await expectFailure(validate(client, cookie), "CALLER_UNAUTHENTICATED");
      expect((await validate(clientWith(withToken(next)), cookie)).session?.state).to.equal(1);
    });

    it("have their new role and name at once", async () => {
      const client = clientWith(withToken(token));
      await expectFailure(client.listSigningKeys({}), "CALLER_FORBIDDEN");
      await file.write(tokenLine(token, { role: "admin", name: "ops" }));
      await app.app.readFiles();
      await client.listSigningKeys({});
      const { id } = await openSession(client);
      expect((await auditOf(app.sql, id)).map((row) => row.calling_service)).to.deep.equal(["ops"]);
    });

    it("end with their expiry, at the next call", async () => {
      const client = clientWith(withToken(token));
      await openSession(client);
      const expires = new Date(Date.now() + 300).toISOString();
      await file.write(tokenLine(token, { expires_at: expires }));
      await app.app.readFiles();
      await until("it is refused", async () => {
        const error = await failureOf(client.validate(unknownCookie));
        return error.rawMessage.includes("did not prove");
      });
      expect(Date.now()).to.be.at.least(Date.parse(expires));
    });

    it("stay as they were if it cannot be used, and the log says why", async () => {
      const client = clientWith(withToken(token));
      const { cookie } = await openSession(client);
      await file.write(tokenLine(newToken()), '{"name":"web"}');
      await app.app.readFiles();
      await validate(client, cookie);
      const error = lines.find(({ level }) => level === 50);
      expect(error?.err)
        .to.have.property("message")
        .that.match(/line 2 needs a role/);
      await file.write(tokenLine(newToken()));
      await app.app.readFiles();
      await expectFailure(validate(client, cookie), "CALLER_UNAUTHENTICATED");
    });

    it("lose their access if it has no line any more, with a warning", async () => {
      const client = clientWith(withToken(token));
      const { cookie } = await openSession(client);
      await file.write();
      await app.app.readFiles();
      await expectFailure(validate(client, cookie), "CALLER_UNAUTHENTICATED");
      const warning = lines.find(({ level }) => level === 40);
      expect(warning?.msg).to.equal("the callers file was read: with it, nobody may call");
    });

    it("fail no call of others while it is read again and again", async () => {
      const client = clientWith(withToken(token));
      const { cookie } = await openSession(client);
      let done = false;
      const calls = (async () => {
        let count = 0;
        while (!done) {
          await Promise.all(Array.from({ length: 10 }, () => validate(client, cookie)));
          count += 10;
        }
        return count;
      })();
      for (let change = 0; change < 3; change++) {
        await file.write(tokenLine(newToken()), tokenLine(token));
        await app.app.readFiles();
      }
      done = true;
      expect(await calls).to.be.greaterThan(0);
    });
  });

  it("prevent the start if the file is missing or wrong, with its path and line", async () => {
    const startWith = (path: string) =>
      startReplica(app.database.url, { env: { SESSIOND_CALLERS_FILE: path } }).then(
        async (replica) => {
          await replica.stop();
          return "started";
        },
        (error: Error) => error.message,
      );
    expect(await startWith(`${file.path}.no`)).to.match(/file\.no" cannot be read \(ENOENT\)/);
    await file.write(tokenLine(newToken()), "{}");
    expect(await startWith(file.path)).to.match(/file" cannot be used: line 2 needs a name/);
  });

  it("are not asked for without the setting: the control", async () => {
    const open = await startReplica(app.database.url);
    const { id } = await openSession(open.client, { actor: newActor() });
    await open.client.garbageCollect({});
    await open.stop();
    expect((await auditOf(app.sql, id)).map((row) => row.calling_service)).to.deep.equal([""]);
  });
});
