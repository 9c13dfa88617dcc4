/** Real clients: of @grpc/grpc-js, and our own TypeScript package. */
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { connect, sessionError } from "../../clients/typescript/src/index.ts";
import { reasonOf } from "../support/grpc-clients.ts";

export interface CallOptions {
  readonly timeoutMs: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
}

export interface Caller {
  readonly name: string;
  /** Whether it repeats failed calls by itself. */
  readonly retries: boolean;
  /** @throws {CallFailure} */
  call<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M["input"]>,
    options: CallOptions,
  ): Promise<MessageShape<M["output"]>>;
  close(): void;
}

/** A failed call, in the same words for each library. */
export class CallFailure extends Error {
  /** The gRPC code's name, such as `UNAVAILABLE`. */
  readonly code: string;
  /** The reason of sessiond's ErrorDetail; empty if there is none. */
  readonly reason: string;

  constructor(message: string, code: number, reason: string) {
    super(message);
    this.code = grpc.status[code] ?? String(code);
    this.reason = reason;
  }
}

const IDEMPOTENT = ["Validate", "Touch", "Revoke", "RevokeAllForActor", "GarbageCollect"];

/** What the pages of the clients recommend: retries of what may be repeated, on all addresses. */
const RETRYING = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: IDEMPOTENT.map((method) => ({ service: "sessiond.v1.SessionService", method })),
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: "0.05s",
        maxBackoff: "1s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
      },
    },
  ],
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
};

/**
 * @param urls the addresses of replicas. With several, the calls are balanced and idempotent ones are
 * retried
 */
export function grpcJsCaller(...urls: readonly string[]): Caller {
  const hosts = urls.map((url) => new URL(url).host);
  const retries = hosts.length > 1;
  const client = new grpc.Client(`ipv4:${hosts.join(",")}`, grpc.credentials.createInsecure(), {
    // Else clients of one process share a connection.
    "grpc.use_local_subchannel_pool": 1,
    // The recovery of the service is measured, not the patience of the client.
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 200,
    ...(retries
      ? { "grpc.service_config": JSON.stringify(RETRYING) }
      : { "grpc.enable_retries": 0 }),
  });
  return {
    name: "grpc-js",
    retries,
    call: <M extends DescMethodUnary>(
      method: M,
      request: MessageInitShape<M["input"]>,
      { timeoutMs, signal }: CallOptions,
    ) =>
      new Promise<MessageShape<M["output"]>>((resolve, reject) => {
        const call = client.makeUnaryRequest(
          `/${method.parent.typeName}/${method.name}`,
          (bytes: Buffer) => bytes,
          (bytes) => bytes,
          Buffer.from(toBinary(method.input, create(method.input, request))),
          new grpc.Metadata(),
          { deadline: Date.now() + timeoutMs },
          (error, bytes) => {
            signal?.removeEventListener("abort", cancel);
            if (error !== null || bytes === undefined) reject(grpcJsFailure(error));
            else resolve(fromBinary(method.output, bytes) as MessageShape<M["output"]>);
          },
        );
        const cancel = () => call.cancel();
        signal?.addEventListener("abort", cancel, { once: true });
        if (signal?.aborted) cancel();
      }),
    close: () => client.close(),
  };
}

function grpcJsFailure(error: grpc.ServiceError | null): CallFailure {
  const [status] = error?.metadata?.get("grpc-status-details-bin") ?? [];
  const reason = Buffer.isBuffer(status) ? reasonOf(status) : "";
  return new CallFailure(error?.message ?? "", error?.code ?? grpc.status.INTERNAL, reason);
}

/** The client package, without its retries: each call is one operation. */
export function packageCaller(url: string): Caller {
  const client = connect(url, { retry: false });
  return {
    name: "sessiond-client",
    retries: false,
    async call(method, request, options) {
      type Call = (request: unknown, options: CallOptions) => Promise<never>;
      const methods = client as unknown as Readonly<Record<string, Call>>;
      try {
        return await (methods[method.localName] as Call)(request, options);
      } catch (error) {
        const { message, code, reasonName } = sessionError(error);
        throw new CallFailure(message, code, reasonName);
      }
    },
    close: () => client.close(),
  };
}
