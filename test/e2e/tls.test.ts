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
import { createAuthority, LOCAL_NAMES } from "../support/certificate-authority.ts";
import { findProgram } from "../support/programs.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { callGrpc } from "../support/transport.ts";
import { until } from "../support/until.ts";

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

  const onUnix = process.platform === "win32" ? it.skip : it;
  onUnix("shows a new certificate after SIGHUP, and goes on with open connections", async () => {
    const directory = await sessiond.directory();
    const files = ["tls.crt", "tls.key"].map((file) => join(directory, file));
    const [certificateFile = "", keyFile = ""] = files;
    const authority = createAuthority();
    const writeNew = async (name: string) => {
      const { certificate, key } = authority.issue({ name, san: LOCAL_NAMES });
      await writeFile(certificateFile, certificate);
      await writeFile(keyFile, key);
    };
    await writeFile(certificateFile, testCertificate);
    await writeFile(keyFile, testKey);
    const serving = await sessiond.serve({
      // As a supervisor starts it: without a terminal.
      command: [process.execPath, join(import.meta.dirname, "../../src/main.ts")],
      env: {
        ...databaseEnv(await sessiond.database()),
        SESSIOND_TLS_CERT_FILE: certificateFile,
        SESSIOND_TLS_KEY_FILE: keyFile,
      },
    });
    const { cookie } = await openSession(serving.client);

    await writeNew("renewed");
    serving.signal("SIGHUP");
    const { hostname, port } = new URL(serving.url);
    await until("it shows the new certificate", async () => {
      const socket = tls.connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
      await once(socket, "secureConnect");
      const subject = socket.getPeerX509Certificate()?.subject;
      socket.destroy();
      return subject === "CN=renewed";
    });
    // Over the connection that has seen the first certificate: it trusts no other.
    await validate(serving.client, cookie);
    const { code, stderr } = await serving.end("SIGTERM");
    expect(code).to.equal(0);
    expect(stderr).to.include('"signal":"SIGHUP"').and.include("TLS files read again");
  });

  const withCurl = findProgram("curl") === undefined ? it.skip : it;
  withCurl("prints a curl command that works with a certificate of one's own", async () => {
    const { stdout } = await serve();
    const command = stdout.split("\n").find((line) => line.startsWith("  curl ")) ?? "";
    const answer = await promisify(execFile)("sh", ["-c", command]);
    expect(JSON.parse(answer.stdout)).to.include.keys("cookie", "csrfToken");
  });
});
