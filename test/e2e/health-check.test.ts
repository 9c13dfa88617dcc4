import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { createAuthority, LOCAL_NAMES } from "../support/certificate-authority.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { until } from "../support/until.ts";

describe("the container's health check", () => {
  const sessiond = useSessiond();

  /**
   * In the environment of the service, as a container runs it. Again where the machine was too busy
   * for an answer within the two seconds that it waits.
   */
  function check(env: Readonly<Record<string, string>>, url: string, args: string[] = []) {
    const { port } = new URL(url);
    return until("a check in time", async () => {
      const ended = await sessiond.run({
        script: "src/healthcheck.ts",
        args,
        env: { ...env, SESSIOND_PORT: port },
      });
      return !ended.stderr.includes("deadline_exceeded") && ended;
    });
  }

  async function untilNotServing({ url }: Serving): Promise<void> {
    const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
    for await (const { status } of health.watch({})) if (status === Status.NOT_SERVING) return;
  }

  it("passes while it serves, fails while it drains and when it is gone", async () => {
    const env = { ...databaseEnv(await sessiond.database()), SESSIOND_DRAIN_DELAY: "5m" };
    const serving = await sessiond.serve({ env });
    expect(await check(env, serving.url)).to.include({ code: 0, stderr: "" });

    const draining = untilNotServing(serving);
    serving.signal("SIGTERM");
    await draining;
    const whileDraining = await check(env, serving.url);
    expect(whileDraining.code).to.equal(1);
    expect(whileDraining.stderr).to.equal("sessiond is not serving: NOT_SERVING\n");

    await serving.end("SIGKILL");
    const afterwards = await check(env, serving.url);
    expect(afterwards.code).to.equal(1);
    expect(afterwards.stderr).to.match(/^sessiond is not serving: .*ECONNREFUSED.*\n$/);
  });

  it("passes while the database is away, unless it is asked for readiness", async () => {
    const readiness = ["sessiond.v1.SessionService"];
    const database = await sessiond.database();
    const proxy = await startDatabaseProxy(database.url);
    try {
      const env = { ...databaseEnv(proxy), SESSIOND_READINESS_TIMEOUT: "1s" };
      const { url } = await sessiond.serve({ env });
      await until("it is ready", async () => (await check(env, url, readiness)).code === 0);
      proxy.refuse();
      const unready = await until("it is not ready", async () => {
        const ended = await check(env, url, readiness);
        return ended.code !== 0 && ended;
      });
      expect(unready.stderr).to.equal("sessiond is not serving: NOT_SERVING\n");
      expect(await check(env, url)).to.include({ code: 0, stderr: "" });
    } finally {
      await proxy.close();
    }
  });

  it("passes with TLS, whatever name the certificate has, and on every address", async () => {
    const directory = await sessiond.directory();
    await writeFile(join(directory, "tls.crt"), testCertificate);
    await writeFile(join(directory, "tls.key"), testKey);
    const env = {
      ...databaseEnv(await sessiond.database()),
      SESSIOND_TLS_CERT_FILE: join(directory, "tls.crt"),
      SESSIOND_TLS_KEY_FILE: join(directory, "tls.key"),
      SESSIOND_HOST: "0.0.0.0",
      SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: "true",
    };
    const serving = await sessiond.serve({ env });
    expect(await check(env, serving.url)).to.include({ code: 0, stderr: "" });
  });

  for (const mode of ["required", "optional"]) {
    it(`passes where client certificates are ${mode}`, async () => {
      const directory = await sessiond.directory();
      const authority = createAuthority();
      // The server's own certificate is shown where one is required, and would be refused here.
      const clients = mode === "required" ? authority : createAuthority();
      const { certificate, key } = authority.issue({ san: LOCAL_NAMES });
      await writeFile(join(directory, "tls.crt"), certificate);
      await writeFile(join(directory, "tls.key"), key);
      await writeFile(join(directory, "ca.crt"), clients.certificate);
      const env = {
        ...databaseEnv(await sessiond.database()),
        SESSIOND_TLS_CERT_FILE: join(directory, "tls.crt"),
        SESSIOND_TLS_KEY_FILE: join(directory, "tls.key"),
        SESSIOND_TLS_CLIENT_CA_FILE: join(directory, "ca.crt"),
        SESSIOND_TLS_CLIENT_CERTIFICATE: mode,
      };
      const serving = await sessiond.serve({ env });
      expect(await check(env, serving.url)).to.include({ code: 0, stderr: "" });
    });
  }
});
