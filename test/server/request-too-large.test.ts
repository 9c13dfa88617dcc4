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

const { maxMessageBytes, maxHeaderBytes } = testLimits;
const largeMessage = `the request message is larger than the limit of ${maxMessageBytes} bytes (SESSIOND_MAX_MESSAGE_BYTES)`;
const largeHeaders = `the request headers are larger than the limit of ${maxHeaderBytes} bytes`;
const tooManyHeaders = "the request has more than 128 headers";

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

      it("is refused for the number of its headers", async () => {
        const headers = Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`x-${i}`, "a"]));
        const call = sessions.validate(validateRequest("a"), { headers });
        await expectTooLarge(call, tooManyHeaders);
      });

      const headers = { "x-large": "a".repeat(maxHeaderBytes) };
      // Node's parser for HTTP/1.1 tells neither the client's protocol nor what was too large.
      if (httpVersion === "2") {
        it("is refused for the size of its headers", async () => {
          const call = sessions.validate(validateRequest("a"), { headers });
          await expectTooLarge(call, `${largeHeaders} (SESSIOND_MAX_HEADER_BYTES)`);
        });
      } else if (protocol === "Connect") {
        it("is refused for its headers", async () => {
          const call = sessions.validate(validateRequest("a"), { headers });
          const message = `${largeHeaders}, or more than 256 (SESSIOND_MAX_HEADER_BYTES)`;
          await expectTooLarge(call, message);
        });
      }
    });
  }

  it("names settings that exist", () => {
    for (const limit of ["maxMessageBytes", "maxHeaderBytes"] as const) {
      const [, name] = /\((\w+)\)$/.exec(tooLargeError("", limit).rawMessage) ?? [];
      expect(settingNames).to.include(name);
    }
  });
});
