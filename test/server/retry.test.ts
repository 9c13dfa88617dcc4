import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { sessionErrorToConnect } from "../../src/rpc/errors.ts";
import { type Reason, SessionError } from "../../src/session/errors.ts";
import { exchange, openTapped, sendBytes } from "../support/exchange.ts";
import {
  callGrpc,
  frame,
  useTransport,
  validateBytes,
  validateRequest,
} from "../support/transport.ts";

/** Almost without a wait of its own: how long an attempt is held back, the server decides. */
const serviceConfig = {
  loadBalancingConfig: [],
  methodConfig: [
    {
      name: [{ service: SessionService.typeName }],
      retryPolicy: {
        maxAttempts: 2,
        initialBackoff: "0.001s",
        maxBackoff: "0.001s",
        backoffMultiplier: 1,
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
      },
    },
  ],
};

const { identity, gzip } = grpc.compressionAlgorithms;

describe("retries by a gRPC library with a service config", () => {
  const transport = useTransport();

  for (const reason of ["STORAGE_UNAVAILABLE", "OVERLOADED"] as const) {
    for (const [name, compression] of Object.entries({ identity, gzip })) {
      it(`repeats a call that failed with ${reason}, with ${name}`, async () => {
        const previousAttempts: (string | null)[] = [];
        const server = await transport.start({
          service: {
            validate(_, { requestHeader }) {
              previousAttempts.push(requestHeader.get("grpc-previous-rpc-attempts"));
              if (previousAttempts.length === 1) {
                throw sessionErrorToConnect(new SessionError(reason));
              }
              return { secondsLeft: 1 };
            },
          },
        });
        const client = transport.grpcClient(server, {
          "grpc.service_config": JSON.stringify(serviceConfig),
          "grpc.default_compression_algorithm": compression,
        });

        const request = validateRequest("a");
        const response = await callGrpc(client, SessionService.method.validate, request);

        expect(response.secondsLeft).to.equal(1);
        expect(previousAttempts).to.deep.equal([null, "1"]);
      });
    }
  }

  /** By the fast path and by Connect. */
  const requests = {
    identity: { send: sendBytes(frame(validateBytes("a"))) },
    gzip: {
      headers: { "grpc-encoding": "gzip" },
      send: sendBytes(frame(gzipSync(validateBytes("a")), 1)),
    },
  };
  const pushbacks: [Reason, string | undefined][] = [
    ["STORAGE_UNAVAILABLE", "grpc-retry-pushback-ms: 1000"],
    ["OVERLOADED", "grpc-retry-pushback-ms: 1000"],
    ["REVOKED", undefined],
    ["INITIAL_SIGNING_KEY_MINT_FAILED", undefined],
  ];
  for (const [reason, pushback] of pushbacks) {
    for (const [name, request] of Object.entries(requests)) {
      it(`sends ${pushback ?? "no pushback"} with ${reason}, with ${name}`, async () => {
        const server = await transport.start({
          service: {
            validate: () => Promise.reject(sessionErrorToConnect(new SessionError(reason))),
          },
        });
        const tapped = await openTapped(server);
        transport.cleanups.push(() => tapped.session.destroy());

        const { frames, trailers } = await exchange(tapped, request);

        expect(frames).to.deep.equal(["HEADERS END_STREAM"]);
        expect(trailers.find((line) => line.startsWith("grpc-retry"))).to.equal(pushback);
      });
    }
  }
});
