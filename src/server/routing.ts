import {
  create,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
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
  type Serialization,
  type UniversalHandler,
  type UniversalHandlerOptions,
} from "@connectrpc/connect/protocol";
import { throwRefusal } from "./authentication.ts";
import type { CallMeter, MethodMeter } from "./call-meter.ts";
import { keepThrown } from "./connect-call-observation.ts";
import { deadlineInterceptor } from "./deadline.ts";
import { envelopeEncoder } from "./envelope-encoder.ts";
import { requestCompressions } from "./request-compressions.ts";
import { requestJsonOptions } from "./request-json.ts";
import { copyContext } from "./unary-context.ts";
import { isEncodable, type UnaryMethod } from "./unary-method.ts";

type UnaryImpl = Extract<MethodImplSpec, { kind: "unary" }>["impl"];

/**
 * The limit of a response, unless that of requests is higher. A page of results may be larger than
 * any request; but most gRPC clients refuse more than 4 MiB by default, after having received it.
 */
const minResponseLimitBytes = 4 * 1024 * 1024;

export interface RoutingOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly interceptors: readonly Interceptor[];
  readonly maxMessageBytes: number;
  readonly meter?: CallMeter | undefined;
}

/** The handlers by path: Connect's for every method, and those of unary methods for the fast path. */
export interface Routing {
  readonly connectHandlers: ReadonlyMap<string, UniversalHandler>;
  readonly unaryMethods: ReadonlyMap<string, UnaryMethod>;
  /** The meter of every method by path; empty if nothing counts calls. */
  readonly meters: ReadonlyMap<string, MethodMeter>;
  /** The compressions that requests may use and that responses may name. */
  readonly compressions: readonly Compression[];
}

/** Collects the routes once, for the Connect handler and the fast path. */
export function createRouting(options: RoutingOptions): Routing {
  const limits = {
    readMaxBytes: options.maxMessageBytes,
    writeMaxBytes: Math.max(options.maxMessageBytes, minResponseLimitBytes),
    // Responses are never compressed. They contain secrets next to text that users chose, and the
    // compressed length of both would reveal the secret (the BREACH attack).
    compressMinBytes: Number.MAX_SAFE_INTEGER,
  };
  const interceptors = [...options.interceptors, deadlineInterceptor];
  const router = createConnectRouter({
    ...limits,
    acceptCompression: [...requestCompressions],
    interceptors: [keepThrown, throwRefusal, ...interceptors],
  });
  const unaryMethods = new Map<string, UnaryMethod>();
  const meters = new Map<string, MethodMeter>();

  function addMeter(path: string): void {
    if (options.meter === undefined || meters.has(path)) return;
    meters.set(path, options.meter.method(path.slice(1)));
  }

  /**
   * Adds a route for the fast path. It does not know the options that a route may have for itself,
   * so a method with such options is served by Connect only.
   */
  function addUnaryMethod(spec: MethodImplSpec, methodOptions: unknown): void {
    const path = createMethodUrl("/", spec.method);
    // The last route for a path counts, as in Connect.
    unaryMethods.delete(path);
    if (spec.kind !== "unary" || methodOptions !== undefined) return;
    const serialization = createMethodSerializationLookup(
      spec.method,
      undefined,
      undefined,
      limits,
    );
    const intercepted = options.interceptors.length > 0;
    const withMessages = { ...spec, impl: returningMessages(spec.impl) };
    unaryMethods.set(path, {
      method: spec.method,
      input: serialization.getI(true),
      encode: responseEncoder(spec.method.output, serialization.getO(true)),
      intercepted,
      meter: meters.get(path),
      invoke: intercepted
        ? (message, context) =>
            invokeUnaryImplementation(withMessages, copyContext(context), message, interceptors)
        : spec.impl,
    });
  }

  function addConnectHandler(
    { kind, method, impl }: MethodImplSpec,
    methodOptions: Partial<UniversalHandlerOptions> | undefined,
  ): void {
    const handler = kind === "unary" ? returningMessages(impl) : impl;
    router.rpc(method, handler as never, withStrictJson(method, methodOptions));
    addMeter(createMethodUrl("/", method));
  }

  const recordingRouter: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, serviceOptions) {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
        addConnectHandler(spec, serviceOptions);
        addUnaryMethod(spec, serviceOptions);
      }
      return recordingRouter;
    },
    rpc(method, implementation, methodOptions) {
      const spec = createMethodImplSpec(method, implementation);
      addConnectHandler(spec, methodOptions);
      addUnaryMethod(spec, methodOptions);
      return recordingRouter;
    },
  };
  options.routes(recordingRouter);

  return {
    connectHandlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])),
    unaryMethods,
    meters,
    compressions: requestCompressions,
  };
}

/** The handler, with the message of each EncodableResponse. */
function returningMessages(impl: UnaryImpl): UnaryImpl {
  return async (message, context) => {
    const response = await impl(message, context);
    return isEncodable(response) ? response.toMessage() : response;
  };
}

/** Encodes what a handler returned: an EncodableResponse, a message, or an initialiser of one. */
function responseEncoder(
  output: DescMessage,
  serialization: Serialization<MessageShape<DescMessage>>,
): (response: unknown) => Buffer {
  const encode = envelopeEncoder(output, serialization);
  return (response) => {
    if (!isEncodable(response))
      return encode(create(output, response as MessageInitShape<DescMessage>));
    return response.toEnvelope() ?? encode(response.toMessage());
  };
}

function withStrictJson(
  { input }: DescMethod,
  options: Partial<UniversalHandlerOptions> = {},
): Partial<UniversalHandlerOptions> {
  return { ...options, jsonOptions: { ...options.jsonOptions, ...requestJsonOptions(input) } };
}
