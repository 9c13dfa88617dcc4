import { once } from "node:events";
import http2 from "node:http2";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import {
  CreateRequestSchema,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { newActor } from "../support/actors.ts";
import type { TestDatabase } from "../support/database.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import { callGrpc } from "../support/transport.ts";
import { until } from "../support/until.ts";

/** Opens a session and returns its id. */
type Open = () => Promise<string>;

/**
 * What "no call fails" means here. A call that the service has accepted is one that it has carried
 * out, so that its row is in the database: each of those must have been acknowledged. A call that
 * it has not carried out may be turned away once the shutdown has begun, in the two ways that say
 * so and that are safe to retry: UNAVAILABLE, which is also what clients make of a connection that
 * is refused, and REFUSED_STREAM for calls that crossed the GOAWAY. Of the latter grpc-js makes
 * UNAVAILABLE, too, and connect-node sometimes INTERNAL. With another replica to go to, clients
 * that balance their load report neither: that is the second test.
 */
function isTurnedAway({ code, text }: { code: number; text: string }): boolean {
  return code === Code.Unavailable || text.includes("NGHTTP2_REFUSED_STREAM");
}

describe("sessiond as a process: shutdown under load", () => {
  const sessiond = useSessiond();
  const cleanups: (() => void)[] = [];

  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });

  function grpcJs(target: string, options: grpc.ClientOptions = {}): grpc.Client {
    const client = new grpc.Client(target, grpc.credentials.createInsecure(), {
      // Else clients of one process share a connection.
      "grpc.use_local_subchannel_pool": 1,
      ...options,
    });
    cleanups.push(() => client.close());
    return client;
  }

  function openByGrpcJs(client: grpc.Client): Open {
    return async () => {
      const request = create(CreateRequestSchema, { actor: newActor() });
      return (await callGrpc(client, SessionService.method.create, request)).session?.id ?? "";
    };
  }

  function openByConnect(url: string): Open {
    const sessionManager = new SessionManager(url);
    cleanups.push(() => sessionManager.abort());
    const transport = createGrpcTransport({ baseUrl: url, sessionManager });
    const client = createClient(SessionService, transport);
    return async () => (await client.create({ actor: newActor() })).session?.id ?? "";
  }

  class Load {
    readonly acknowledged: string[] = [];
    readonly failures: {
      readonly code: number;
      readonly stopping: boolean;
      readonly text: string;
    }[] = [];
    stopping = false;
    readonly #workers: Promise<void>[] = [];
    #ended = false;

    /** `count` calls at a time, each worker until its first failure. */
    add(open: Open, count: number): void {
      for (let worker = 0; worker < count; worker += 1) this.#workers.push(this.#work(open));
    }

    /** Until that many more are acknowledged. */
    async more(count: number): Promise<void> {
      const goal = this.acknowledged.length + count;
      await until(`${goal} sessions`, async () => this.acknowledged.length >= goal);
    }

    async end(): Promise<void> {
      this.#ended = true;
      await Promise.all(this.#workers);
    }

    async #work(open: Open): Promise<void> {
      while (!this.#ended) {
        try {
          this.acknowledged.push(await open());
        } catch (error) {
          const { code } = error as ConnectError | grpc.ServiceError;
          this.failures.push({ code, stopping: this.stopping, text: String(error) });
          return;
        }
      }
    }
  }

  async function storedSessions({ sql }: TestDatabase): Promise<string[]> {
    return (await sql<{ id: string }>("SELECT id FROM sessions")).map(({ id }) => id);
  }

  it("answers every call that it has carried out, and refuses the rest so that clients retry", async () => {
    const database = await sessiond.database();
    const serving = await sessiond.serve({ env: databaseEnv(database) });
    const { host } = new URL(serving.url);
    const load = new Load();
    for (let connection = 0; connection < 2; connection += 1) {
      load.add(openByGrpcJs(grpcJs(host)), 16);
      load.add(openByConnect(serving.url), 16);
    }
    const connection = http2.connect(serving.url);
    connection.on("error", () => {});
    await once(connection, "connect");
    const goaway = once(connection, "goaway");
    const statuses: Status[] = [];
    const health = createClient(Health, createGrpcTransport({ baseUrl: serving.url }));
    const watching = (async () => {
      for await (const { status } of health.watch({})) statuses.push(status);
    })().catch((error: unknown) => ConnectError.from(error).code);
    await until("it is watched", async () => statuses.length > 0);
    await load.more(500);

    load.stopping = true;
    const { code, stderr } = await serving.end("SIGTERM");
    await load.end();

    expect(code).to.equal(0);
    expect(stderr).not.to.include('"forced"');
    expect((await goaway)[0]).to.equal(http2.constants.NGHTTP2_NO_ERROR);
    expect(statuses).to.deep.equal([Status.SERVING, Status.NOT_SERVING]);
    expect(await watching).to.equal(Code.Unavailable);
    expect(await storedSessions(database)).to.have.members(load.acknowledged);
    // Every worker was turned away in the end, and none of them earlier or in another way.
    expect(load.failures).to.have.length(64);
    const wrong = load.failures.filter((failure) => !failure.stopping || !isTurnedAway(failure));
    expect(wrong).to.deep.equal([]);
  });

  it("fails no call at all where another replica takes over", async () => {
    const database = await sessiond.database();
    const replicas = await Promise.all(
      [0, 1].map(() => sessiond.serve({ env: databaseEnv(database) })),
    );
    const hosts = replicas.map(({ url }) => new URL(url).host);
    const load = new Load();
    for (let client = 0; client < 2; client += 1) {
      const grpcClient = grpcJs(`ipv4:${hosts.join(",")}`, {
        "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      });
      load.add(openByGrpcJs(grpcClient), 16);
    }
    await load.more(500);

    const ended = await replicas[0]?.end("SIGTERM");
    await load.more(200);
    await load.end();

    expect(ended?.code).to.equal(0);
    expect(ended?.stderr).not.to.include('"forced"');
    expect(load.failures).to.deep.equal([]);
    expect(await storedSessions(database)).to.have.members(load.acknowledged);
  });
});
