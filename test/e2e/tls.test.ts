import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import tls from "node:tls";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import {
  CreateRequestSchema,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor, openSession, validate } from "../support/actors.ts";
import { findProgram } from "../support/programs.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { callGrpc } from "../support/transport.ts";

describe("sessiond as a process: TLS", () => {
  const sessiond = useSessiond();

  async function serve(): Promise<Serving> {
    const directory = await sessiond.directory();
    const files = { SESSIOND_TLS_CERT_FILE: "tls.crt", SESSIOND_TLS_KEY_FILE: "tls.key" };
    await writeFile(join(directory, files.SESSIOND_TLS_CERT_FILE), testCertificate);
    await writeFile(join(directory, files.SESSIOND_TLS_KEY_FILE), testKey, { mode: 0o600 });
    const env = Object.entries(files).map(([name, file]) => [name, join(directory, file)]);
    const database = await sessiond.database();
    return sessiond.serve({ env: { ...databaseEnv(database), ...Object.fromEntries(env) } });
  }

  it("serves HTTP/2 and HTTP/1.1, by ALPN, to clients that check the certificate", async () => {
    const serving = await serve();
    expect(serving.url).to.match(/^https:/);
    const { cookie, id } = await openSession(serving.client);

    const http1 = createConnectTransport({
      baseUrl: serving.url,
      httpVersion: "1.1",
      nodeOptions: { ca: testCertificate },
    });
    const { session } = await validate(createClient(SessionService, http1), cookie);
    expect(session?.id).to.equal(id);

    const { hostname, port } = new URL(serving.url);
    const credentials = grpc.credentials.createSsl(Buffer.from(testCertificate));
    const client = new grpc.Client(`localhost:${port}`, credentials);
    const request = create(CreateRequestSchema, { actor: newActor() });
    const created = await callGrpc(client, SessionService.method.create, request);
    client.close();
    await validate(serving.client, created.cookie);

    for (const protocol of ["h2", "http/1.1"]) {
      const socket = tls.connect({
        host: hostname,
        port: Number(port),
        ca: testCertificate,
        ALPNProtocols: [protocol],
      });
      await once(socket, "secureConnect");
      expect(socket.alpnProtocol).to.equal(protocol);
      socket.destroy();
    }
    expect((await serving.end("SIGTERM")).code).to.equal(0);
  });

  const withCurl = findProgram("curl") === undefined ? it.skip : it;
  withCurl("prints a curl command that works with a certificate of one's own", async () => {
    const { stdout } = await serve();
    const command = stdout.split("\n").find((line) => line.startsWith("  curl ")) ?? "";
    const answer = await promisify(execFile)("sh", ["-c", command]);
    expect(JSON.parse(answer.stdout)).to.include.keys("cookie", "csrfToken");
  });
});
