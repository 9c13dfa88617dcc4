import { fromBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { ServerReflectionResponseSchema } from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import {
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../gen/es/health/v1/health_pb.ts";
import { ValidateResponseSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createGrpcClients } from "../support/grpc-clients.ts";
import { validateBytes, validatePath } from "../support/transport.ts";
import { until } from "../support/until.ts";
import {
  heldMessage,
  LARGE_COOKIE,
  reflectionMessage,
  reflectionPath,
  refusedMessage,
  securities,
  useToolServer,
  watchMessage,
  watchPath,
} from "./tool-server.ts";

const CALLS = 3000;

describe("gRPC libraries over HTTP/2", () => {
  const servers = useToolServer();

  for (const client of createGrpcClients()) {
    describe(client.name, () => {
      before(async function () {
        if (await client.prepare()) return;
        if (process.env.REQUIRE_HTTP2_TOOLS === "1") throw new Error("it is not installed");
        this.skip();
      });
      after(() => client.cleanUp());

      for (const security of securities) {
        const ca = security.ca === undefined ? {} : { ca: security.ca };

        it(`calls, streams, and is refused ${security.name}`, async () => {
          const server = await servers.start(security);
          const target = `localhost:${server.port}`;
          const call = { target, path: validatePath, ...ca };
          const [small, large, watch, reflection, refused, late] = await client.call([
            { ...call, message: validateBytes("a") },
            { ...call, message: validateBytes(LARGE_COOKIE) },
            { ...call, path: watchPath, message: watchMessage, streaming: true },
            { ...call, path: reflectionPath, message: reflectionMessage, streaming: true },
            { ...call, message: refusedMessage },
            { ...call, message: heldMessage, deadlineMs: 300 },
          ]);
          const idIn = (response: Uint8Array = Buffer.of()) =>
            fromBinary(ValidateResponseSchema, response).session?.id;
          expect(small).to.include({ code: "OK" });
          expect(idIn(small?.response)).to.equal("a");
          expect(large).to.include({ code: "OK" });
          expect(idIn(large?.response)).to.equal(LARGE_COOKIE);
          expect(watch).to.include({ code: "OK" });
          const { status } = fromBinary(HealthCheckResponseSchema, watch?.response ?? Buffer.of());
          expect(status).to.equal(HealthCheckResponse_ServingStatus.SERVING);
          expect(reflection).to.include({ code: "OK" });
          const { messageResponse } = fromBinary(
            ServerReflectionResponseSchema,
            reflection?.response ?? Buffer.of(),
          );
          expect(messageResponse.case).to.equal("listServicesResponse");
          expect(refused).to.include({ code: "UNAUTHENTICATED", reason: "REVOKED" });
          expect(late).to.include({ code: "DEADLINE_EXCEEDED" });
        });
      }

      it("loses no call to a server that drains while another one serves", async () => {
        const [cleartext] = securities;
        const leaving = await servers.start(cleartext);
        const staying = await servers.start(cleartext);
        const addresses = [leaving, staying].map(({ port }) => `127.0.0.1:${port}`);
        const calling = client.call([
          {
            target: `ipv4:${addresses.join(",")}`,
            path: validatePath,
            message: validateBytes("a"),
            times: CALLS,
          },
        ]);
        await until("the first server is in use", async () => leaving.calls + staying.calls > 100);
        // Libraries choose the order.
        const [busy, other] =
          leaving.calls > staying.calls ? [leaving, staying] : [staying, leaving];
        const before = other.calls;
        expect(await busy.drain(60_000)).to.deep.equal({ forced: 0 });
        const [result] = await calling;
        expect(result).to.include({ code: "OK" });
        expect(other.calls).to.be.above(before);
        expect(leaving.calls + staying.calls).to.equal(CALLS);
      });
    });
  }
});
