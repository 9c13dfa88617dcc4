import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { failureOf, useTransport } from "../support/transport.ts";

const service = "sessiond.v1.SessionService";

describe("health", () => {
  const transport = useTransport();

  async function start() {
    const health = createHealth([service]);
    const server = await transport.start({ routes: health.routes });
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const watch = (name: string) => {
      const controller = new AbortController();
      const updates = client
        .watch({ service: name }, { signal: controller.signal })
        [Symbol.asyncIterator]();
      const next = async () => {
        const { value } = await updates.next();
        return value?.status;
      };
      return { next, cancel: () => controller.abort() };
    };
    return { health, server, client, watch };
  }

  for (const name of ["", service]) {
    it(`checks ${name === "" ? "the server" : "a service"}`, async () => {
      const { health, client } = await start();

      expect((await client.check({ service: name })).status).to.equal(Status.NOT_SERVING);
      health.setServing(true);
      expect((await client.check({ service: name })).status).to.equal(Status.SERVING);
      health.setServing(false);
      expect((await client.check({ service: name })).status).to.equal(Status.NOT_SERVING);
    });
  }

  it("reports only the services as NOT_SERVING while they are not ready", async () => {
    const { health, client, watch } = await start();
    const statuses = async () => {
      const { statuses } = await client.list({});
      const checks = await Promise.all(
        ["", service].map((name) => client.check({ service: name })),
      );
      const [server, named] = checks.map(({ status }) => status);
      expect([statuses[""]?.status, statuses[service]?.status]).to.deep.equal([server, named]);
      return [server, named];
    };
    health.setReady(false);
    expect(await statuses()).to.deep.equal([Status.NOT_SERVING, Status.NOT_SERVING]);
    health.setServing(true);
    expect(await statuses()).to.deep.equal([Status.SERVING, Status.NOT_SERVING]);
    const { next, cancel } = watch(service);
    expect(await next()).to.equal(Status.NOT_SERVING);
    health.setReady(true);
    expect(await next()).to.equal(Status.SERVING);
    expect(await statuses()).to.deep.equal([Status.SERVING, Status.SERVING]);
    cancel();
    // The drain outweighs an answer of the database.
    health.setServing(false);
    health.setReady(true);
    expect(await statuses()).to.deep.equal([Status.NOT_SERVING, Status.NOT_SERVING]);
  });

  it("answers a check of an unknown service with NOT_FOUND", async () => {
    const { client } = await start();
    const failure = await failureOf<ConnectError>(client.check({ service: "no.such.Service" }));
    expect(failure.code).to.equal(Code.NotFound);
  });

  it("lists the server and its services", async () => {
    const { health, client } = await start();
    health.setServing(true);

    const { statuses } = await client.list({});

    expect(Object.keys(statuses)).to.have.members(["", service]);
    expect(statuses[service]?.status).to.equal(Status.SERVING);
  });

  it("tells a watcher the status at once, and then each change but no repetition", async () => {
    const { health, watch } = await start();
    const { next, cancel } = watch(service);

    expect(await next()).to.equal(Status.NOT_SERVING);
    health.setServing(false);
    health.setServing(true);
    expect(await next()).to.equal(Status.SERVING);
    health.setServing(true);
    health.setServing(false);
    expect(await next()).to.equal(Status.NOT_SERVING);
    cancel();
  });

  it("keeps a watcher of an unknown service", async () => {
    const { health, watch } = await start();
    const { next, cancel } = watch("no.such.Service");

    expect(await next()).to.equal(Status.SERVICE_UNKNOWN);
    const second = next();
    health.setServing(true);
    const other = watch("");
    expect(await other.next()).to.equal(Status.SERVING);
    expect(health.watchers).to.equal(2);

    cancel();
    other.cancel();
    await failureOf(second);
  });

  it("forgets a watcher that has cancelled or has lost its connection", async () => {
    const { health, server, watch } = await start();
    const allForgotten = async () => {
      while (health.watchers > 0) {
        await nextTurn();
      }
    };
    const watches = [watch(""), watch(service), watch("no.such.Service")];
    for (const { next } of watches) {
      await next();
    }
    expect(health.watchers).to.equal(3);
    for (const { cancel } of watches) {
      cancel();
    }
    await allForgotten();

    const session = await transport.http2(server);
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Watch",
      "content-type": "application/grpc",
    });
    stream.on("error", () => {});
    stream.end(Buffer.alloc(5));
    await once(stream, "data");
    expect(health.watchers).to.equal(1);
    session.destroy();
    // No timeout of the server's would end the connection before this test is given up.
    await allForgotten();
  });
});
