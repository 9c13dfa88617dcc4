import { type Client, createClient } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { settingNames } from "../../src/config/settings.ts";
import { decodeError, tooLargeError } from "../../src/rpc/errors.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { echo, testLimits, useTransport, validateRequest } from "../support/transport.ts";

const { maxMessageBytes } = testLimits;
const largeMessage = `the request message is larger than the limit of ${maxMessageBytes} bytes (SESSIOND_MAX_MESSAGE_BYTES)`;

const protocols = {
  gRPC: createGrpcTransport,
  "gRPC-Web": createGrpcWebTransport,
  Connect: createConnectTransport,
};

const variants = (Object.keys(protocols) as (keyof typeof protocols)[]).flatMap((protocol) =>
  (["1.1", "2"] as const).flatMap((httpVersion) =>
    [true, false].map((useBinaryFormat) => ({ protocol, httpVersion, useBinaryFormat })),
  ),
);

describe("a request that is too large", () => {
  const transport = useTransport();

  for (const { protocol, httpVersion, useBinaryFormat } of variants) {
    describe(`over ${protocol}, ${useBinaryFormat ? "binary" : "JSON"}, HTTP/${httpVersion}`, () => {
      let sessions: Client<typeof SessionService>;
      let compressing: Client<typeof SessionService>;
      let health: Client<typeof Health>;

      beforeEach(async () => {
        const { url } = await transport.start({
          routes(router) {
            router.service(SessionService, echo);
            createHealth([]).routes(router);
          },
          decodeError,
          tooLargeError,
        });
        const options = { baseUrl: url, httpVersion, useBinaryFormat };
        const idle = httpVersion === "2" ? { idleConnectionTimeoutMs: 100 } : {};
        const rpc = protocols[protocol]({ ...options, ...idle } as never);
        const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };
        sessions = createClient(SessionService, rpc);
        compressing = createClient(
          SessionService,
          protocols[protocol]({ ...options, ...idle, ...gzip } as never),
        );
        health = createClient(Health, rpc);
      });

      const tooLarge = validateRequest("a".repeat(maxMessageBytes));

      async function expectTooLarge(call: Promise<unknown>, message: string): Promise<void> {
        const error = await expectFailure(call, "REQUEST_TOO_LARGE");
        expect(error.rawMessage).to.equal(message);
      }

      it("is refused for its message", async () => {
        await expectTooLarge(sessions.validate(tooLarge), largeMessage);
      });

      it("is refused for its message after decompression", async () => {
        await expectTooLarge(compressing.validate(tooLarge), largeMessage);
      });

      it("is refused for the message of a stream", async () => {
        const responses = health.watch({ service: "a".repeat(maxMessageBytes) });
        await expectTooLarge(Array.fromAsync(responses), largeMessage);
      });
    });
  }

  it("names a setting that exists", () => {
    const { rawMessage } = tooLargeError("", "maxMessageBytes");
    expect(settingNames).to.include(/\((\w+)\)$/.exec(rawMessage)?.[1]);
  });
});
