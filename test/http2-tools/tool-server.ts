import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ErrorInfoSchema,
  file_google_rpc_error_details,
} from "../../gen/es/google/rpc/error_details_pb.ts";
import * as reflectionV1 from "../../gen/es/grpc/reflection/v1/reflection_pb.ts";
import { Health, HealthCheckRequestSchema } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { createHealth } from "../../src/rpc/health.ts";
import { createReflection } from "../../src/rpc/reflection.ts";
import type { Server } from "../../src/server/server.ts";
import { findProgram } from "../support/programs.ts";
import { testCertificate } from "../support/test-certificate.ts";
import { cookieOf, testTls, useTransport, validateBytes } from "../support/transport.ts";

/** Larger than the windows of HTTP/2 at first, and than its frames. */
export const LARGE_COOKIE = "large ".repeat(50_000);

export const watchPath = `/${Health.typeName}/Watch`;
export const watchMessage = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema));
export const reflectionPath = `/${reflectionV1.ServerReflection.typeName}/ServerReflectionInfo`;
export const reflectionMessage = toBinary(
  reflectionV1.ServerReflectionRequestSchema,
  create(reflectionV1.ServerReflectionRequestSchema, {
    messageRequest: { case: "listServices", value: "" },
  }),
);
/** A call of Validate that the server refuses, and one that it answers only when it is aborted. */
export const refusedMessage = validateBytes("refuse");
export const heldMessage = validateBytes("hold");

/** Both ways to reach a server. */
export const securities = [
  { name: "in cleartext", tls: undefined, ca: undefined },
  { name: "over TLS", tls: testTls, ca: testCertificate },
] as const;

export type Security = (typeof securities)[number];

/**
 * A server with the transport and the limits of sessiond, whose Validate needs no database: it responds
 * with the cookie as the id of the session, refuses the cookie "refuse", and holds the cookie "hold".
 */
export interface ToolServer extends Server {
  /** How many calls of Validate have arrived. */
  readonly calls: number;
}

/** Starts servers that are closed after each test of the suite. */
export function useToolServer() {
  const transport = useTransport();
  return {
    transport,
    async start({ tls }: Security): Promise<ToolServer> {
      let calls = 0;
      const health = createHealth([SessionService.typeName]);
      health.setServing(true);
      const reflection = createReflection(
        [SessionService, Health],
        [file_google_rpc_error_details],
      );
      const server = await transport.start({
        tls,
        limits: {
          maxMessageBytes: 4 * 1024 * 1024,
          // nghttp sends more than 16 KiB to have CONTINUATION frames.
          maxHeaderBytes: 64 * 1024,
        },
        routes(router) {
          health.routes(router);
          reflection.routes(router);
          router.service(SessionService, {
            async validate(request, { signal }) {
              calls += 1;
              const id = cookieOf(request);
              if (id === "refuse") throw refusal();
              if (id === "hold") await aborted(signal);
              return { session: { id } };
            },
          });
        },
      });
      return Object.defineProperty({ ...server }, "calls", { get: () => calls }) as ToolServer;
    },
  };
}

function refusal(): ConnectError {
  const info = create(ErrorInfoSchema, { reason: "REVOKED", domain: "sessiond.v1" });
  return new ConnectError("revoked", Code.Unauthenticated, undefined, [
    { desc: ErrorInfoSchema, value: info },
  ]);
}

async function aborted(signal: AbortSignal): Promise<never> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  if (!signal.aborted) await promise;
  throw ConnectError.from(signal.reason, Code.Canceled);
}

/**
 * Finds a program; undefined if it is not installed.
 *
 * @throws {Error} if it is not installed and REQUIRE_HTTP2_TOOLS=1 says that it must be
 */
export function findTool(name: string, further: readonly string[] = []): string | undefined {
  const program = findProgram(name, further);
  if (program === undefined && process.env.REQUIRE_HTTP2_TOOLS === "1") {
    throw new Error(`${name} is not installed, and REQUIRE_HTTP2_TOOLS=1`);
  }
  return program;
}
