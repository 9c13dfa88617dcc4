import { expect } from "chai";
import { tooLargeError } from "../../src/rpc/errors.ts";
import { type ClientCall, createGrpcClients } from "../support/grpc-clients.ts";
import {
  type StartOptions,
  testLimits,
  useTransport,
  validateBytes,
  validatePath,
} from "../support/transport.ts";

const { maxMessageBytes, maxHeaderBytes } = testLimits;

interface Expected {
  readonly code: string;
  readonly message: string;
  readonly reason: string;
}

const ok: Expected = { code: "OK", message: "", reason: "" };
const unimplemented: Expected = {
  code: "UNIMPLEMENTED",
  message: "unknown service or method; the path of a call is /package.Service/Method",
  reason: "",
};
const tooLarge = (message: string): Expected => ({
  code: "INVALID_ARGUMENT",
  message,
  reason: "REQUEST_TOO_LARGE",
});
const largeHeaders = tooLarge(
  `the request headers are larger than the limit of ${maxHeaderBytes} bytes (SESSIOND_MAX_HEADER_BYTES)`,
);
const unknownMethod = "/sessiond.v1.SessionService/No";
const message = validateBytes("a");

const calls: [string, Omit<ClientCall, "target">, Expected][] = [
  ["E01 an unknown method", { path: unknownMethod, message }, unimplemented],
  ["E01 an unknown service", { path: "/no.Such/Method", message }, unimplemented],
  ["E01 an unknown stream", { path: unknownMethod, message, streaming: true }, unimplemented],
  [
    "E01 an unknown method with a large message",
    { path: unknownMethod, message: validateBytes("a".repeat(2_000_000)) },
    unimplemented,
  ],
  [
    "a message above the limit",
    { path: validatePath, message: validateBytes("a".repeat(maxMessageBytes)) },
    tooLarge(
      `the request message is larger than the limit of ${maxMessageBytes} bytes (SESSIOND_MAX_MESSAGE_BYTES)`,
    ),
  ],
  [
    "metadata above the limit",
    { path: validatePath, message, metadata: { "x-large": "a".repeat(maxHeaderBytes) } },
    largeHeaders,
  ],
  [
    "metadata above the limit, of a stream",
    {
      path: unknownMethod,
      message,
      streaming: true,
      metadata: { "x-large": "a".repeat(maxHeaderBytes) },
    },
    largeHeaders,
  ],
  [
    "too many headers",
    {
      path: validatePath,
      message,
      metadata: Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`x-${i}`, "a"])),
    },
    tooLarge("the request has more than 128 headers"),
  ],
];

describe("gRPC clients of other languages", () => {
  const transport = useTransport();

  for (const client of createGrpcClients()) {
    describe(client.name, () => {
      before(async function () {
        if (!(await client.prepare())) this.skip();
      });
      after(() => client.cleanUp());

      for (const [what, call, expected] of calls) {
        it(`reports ${what} as ${expected.code}, and the next call succeeds`, async () => {
          const server = await transport.start({ tooLargeError });
          const target = `127.0.0.1:${server.port}`;
          const [refused, next] = await client.call([
            { target, ...call },
            { target, path: validatePath, message },
          ]);
          expect(refused).to.include(expected);
          expect(next).to.include(ok);
        });
      }

      it("is served with a static list of addresses (E02)", async () => {
        const hosts: string[] = [];
        const service: StartOptions["service"] = {
          validate(_, { url }) {
            hosts.push(new URL(url).host);
            return {};
          },
        };
        const servers = [await transport.start({ service }), await transport.start({ service })];
        const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
        const [result] = await client.call([
          { target: `ipv4:${addresses.join(",")}`, path: validatePath, message },
        ]);
        expect(result).to.include(ok);
        // grpc-js sends the one address, the others the list, which is no host of a URL.
        const host = client.name === "grpc-js" ? addresses[0] : "unknown.invalid";
        expect(hosts).to.deep.equal([host]);
      });
    });
  }
});
