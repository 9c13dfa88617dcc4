import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { failureOf, validateRequest } from "../support/transport.ts";
import { until } from "../support/until.ts";
import { http2Proxy, useEnvoy } from "./envoy.ts";
import { useFiles } from "./run-tool.ts";
import {
  findTool,
  LARGE_COOKIE,
  type Security,
  securities,
  type ToolServer,
  useToolServer,
} from "./tool-server.ts";

const CALLS = 1500;
const AT_ONCE = 32;

describe("Envoy as a proxy of HTTP/2", () => {
  const servers = useToolServer();
  const startEnvoy = useEnvoy();
  const file = useFiles();
  let program = "";

  before(function () {
    program = findTool("envoy") ?? "";
    if (program === "") this.skip();
  });

  async function connect(security: Security, upstream: readonly ToolServer[]) {
    const envoy = await startEnvoy(program, http2Proxy(security, upstream), file);
    const sessionManager = new SessionManager(envoy.url);
    servers.transport.cleanups.push(() => sessionManager.abort());
    const transport = createGrpcTransport({ baseUrl: envoy.url, sessionManager });
    const sessions = createClient(SessionService, transport);
    return {
      envoy,
      health: createClient(Health, transport),
      async validate(cookie: string, timeoutMs?: number) {
        const options = timeoutMs === undefined ? {} : { timeoutMs };
        return (await sessions.validate(validateRequest(cookie), options)).session?.id;
      },
    };
  }

  for (const security of securities) {
    it(`calls, streams, and is refused ${security.name}`, async () => {
      const server = await servers.start(security);
      const { envoy, health, validate } = await connect(security, [server]);

      expect(await validate("a")).to.equal("a");
      expect(await validate(LARGE_COOKIE)).to.equal(LARGE_COOKIE);
      expect((await failureOf<ConnectError>(validate("refuse"))).code).to.equal(
        Code.Unauthenticated,
      );
      expect((await failureOf<ConnectError>(validate("hold", 300))).code).to.equal(
        Code.DeadlineExceeded,
      );
      const watching = new AbortController();
      for await (const { status } of health.watch({}, { signal: watching.signal })) {
        expect(status).to.equal(Status.SERVING);
        break;
      }
      watching.abort();
      expect(await envoy.connections("servers")).to.deep.equal({ opened: 1, protocolErrors: 0 });
    });

    it(`loses no call to a server that drains while another one serves ${security.name}`, async () => {
      const leaving = await servers.start(security);
      const staying = await servers.start(security);
      const { validate } = await connect(security, [leaving, staying]);
      let left = CALLS;
      const work = async () => {
        while (left > 0) {
          left -= 1;
          expect(await validate("a")).to.equal("a");
        }
      };
      const working = Promise.all(Array.from({ length: AT_ONCE }, work));
      working.catch(() => {});
      await until("both serve", async () => Math.min(leaving.calls, staying.calls) > 100);

      expect(await leaving.drain(60_000)).to.deep.equal({ forced: 0 });
      const whenDrained = leaving.calls;
      expect(left).to.be.above(0);
      await working;
      expect(leaving.calls).to.equal(whenDrained);
      expect(leaving.calls + staying.calls).to.equal(CALLS);
    });
  }
});
