import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type Interceptor,
  type MethodImplSpec,
} from "@connectrpc/connect";
import {
  type Compression,
  createMethodSerializationLookup,
  createMethodUrl,
  invokeUnaryImplementation,
  type UniversalHandler,
} from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { deadlineInterceptor } from "./deadline.ts";
import { envelopeEncoder } from "./envelope-encoder.ts";
import { copyOf } from "./unary-context.ts";
import type { UnaryMethod } from "./unary-method.ts";

/**
 * The least bound for a response. A page of results may be larger than any request, but beyond
 * 4 MiB, the default of most gRPC clients, it would be refused after it had crossed the network.
 */
const minWriteMaxBytes = 4 * 1024 * 1024;

const acceptCompression: readonly Compression[] = [compressionGzip, compressionBrotli];

export interface RoutingOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly interceptors: readonly Interceptor[];
  readonly maxMessageBytes: number;
}

/** What is served, by path: everything by Connect, unary methods also by the unary fast path. */
export interface Routing {
  readonly connectHandlers: ReadonlyMap<string, UniversalHandler>;
  readonly unaryMethods: ReadonlyMap<string, UnaryMethod>;
  /** The compressions that requests may have and responses may name. */
  readonly compressions: readonly Compression[];
}

/** Collects the routes once, for both ways of serving them. */
export function createRouting(options: RoutingOptions): Routing {
  const limits = {
    readMaxBytes: options.maxMessageBytes,
    writeMaxBytes: Math.max(options.maxMessageBytes, minWriteMaxBytes),
    // Never: responses hold secrets beside what users chose, and the length of the two compressed
    // together tells of the secret, as BREACH has shown.
    compressMinBytes: Number.MAX_SAFE_INTEGER,
  };
  const interceptors = [...options.interceptors, deadlineInterceptor];
  const router = createConnectRouter({
    ...limits,
    acceptCompression: [...acceptCompression],
    interceptors,
  });
  const unaryMethods = new Map<string, UnaryMethod>();

  /** Options of its own, for which the fast path has no place, leave a method to Connect. */
  function record(spec: MethodImplSpec, methodOptions: unknown): void {
    const path = createMethodUrl("/", spec.method);
    // A later route for the same path takes the place of an earlier one.
    unaryMethods.delete(path);
    if (spec.kind !== "unary" || methodOptions !== undefined) return;
    const serialization = createMethodSerializationLookup(
      spec.method,
      undefined,
      undefined,
      limits,
    );
    const intercepted = options.interceptors.length > 0;
    unaryMethods.set(path, {
      method: spec.method,
      input: serialization.getI(true),
      encode: envelopeEncoder(spec.method.output, serialization.getO(true)),
      intercepted,
      invoke: intercepted
        ? (message, context) =>
            invokeUnaryImplementation(spec, copyOf(context), message, interceptors)
        : async (message, context) =>
            create(
              spec.method.output,
              (await spec.impl(message, context)) as MessageInitShape<DescMessage>,
            ),
    });
  }

  const recorder: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, serviceOptions) {
      router.service(service, implementation, serviceOptions);
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
        record(spec, serviceOptions);
      }
      return recorder;
    },
    rpc(method, implementation, methodOptions) {
      router.rpc(method, implementation, methodOptions);
      record(createMethodImplSpec(method, implementation), methodOptions);
      return recorder;
    },
  };
  options.routes(recorder);

  return {
    connectHandlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])),
    unaryMethods,
    compressions: acceptCompression,
  };
}
