import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type {
  Header,
  RequestedError,
  Schema,
  StreamResponseDefinition,
  UnaryResponseDefinition,
} from "./schema.ts";

type Service = ServiceImpl<Schema["service"]>;

interface UnaryRequest extends Message {
  responseDefinition?: UnaryResponseDefinition;
}

interface StreamRequest extends Message {
  responseDefinition?: StreamResponseDefinition;
  /** Only in BidiStream: respond to each request, not to all of them after the last. */
  fullDuplex?: boolean;
}

export interface ConformanceServiceOptions {
  /** A longer timeout is the server's own limit, which the suite must not be told. */
  readonly longestTimeoutMs: number;
  /** Called with the context of each unary call. */
  readonly onCall: (context: HandlerContext) => void;
}

/**
 * Creates the service that the suite calls. The first request of a call defines its response, which
 * also contains what the server has seen of the call. The method Unimplemented has no handler, as
 * the suite wants it.
 */
export function createConformanceService(
  schema: Schema,
  options: ConformanceServiceOptions,
): Service {
  const { registry, message } = schema;
  const payloadDesc = message("ConformancePayload");
  const requestInfoDesc = message("ConformancePayload.RequestInfo");

  function requestInfo(context: HandlerContext, requests: readonly Any[]): Message {
    const timeoutMs = context.timeoutMs();
    const isRequested = timeoutMs !== undefined && timeoutMs <= options.longestTimeoutMs;
    return create(requestInfoDesc, {
      requestHeaders: headersOf(context.requestHeader),
      requests,
      ...(isRequested ? { timeoutMs: BigInt(Math.trunc(timeoutMs)) } : {}),
      ...(context.requestMethod === "GET"
        ? { connectGetInfo: { queryParams: headersOf(new URL(context.url).searchParams) } }
        : {}),
    });
  }

  function payload(data: Uint8Array | undefined, info: Message | undefined) {
    return {
      payload: create(payloadDesc, {
        ...(data === undefined ? {} : { data }),
        ...(info === undefined ? {} : { requestInfo: info }),
      }),
    };
  }

  /** The requested error, with the request info if no response has contained it. */
  function failure(requested: RequestedError, info: Message | undefined): ConnectError {
    const details = requested.details.map((any) => {
      const value = anyUnpack(any, registry);
      const desc = value && registry.getMessage(value.$typeName);
      if (value === undefined || desc === undefined)
        throw new Error(`unknown error detail ${any.typeUrl}`);
      return outgoing(desc, value);
    });
    if (info !== undefined) details.push(outgoing(requestInfoDesc, info));
    return new ConnectError(requested.message ?? "", requested.code, undefined, details);
  }

  async function respondOnce(
    definition: UnaryResponseDefinition | undefined,
    requests: readonly Any[],
    context: HandlerContext,
  ) {
    sendMetadata(definition, context);
    const info = requestInfo(context, requests);
    await pause(definition?.responseDelayMs, context);
    const response = definition?.response;
    if (response?.case === "error") throw failure(response.value, info);
    return payload(response?.value, info);
  }

  function unary(requestDesc: DescMessage) {
    return (request: Message, context: HandlerContext) => {
      options.onCall(context);
      const definition = (request as UnaryRequest).responseDefinition;
      return respondOnce(definition, [anyPack(requestDesc, request)], context);
    };
  }

  async function* serverStream(request: Message, context: HandlerContext) {
    const requests = [anyPack(message("ServerStreamRequest"), request)];
    const definition = (request as StreamRequest).responseDefinition;
    sendMetadata(definition, context);
    let info: Message | undefined = requestInfo(context, requests);
    for (const data of definition?.responseData ?? []) {
      await pause(definition?.responseDelayMs, context);
      yield payload(data, info);
      info = undefined;
    }
    if (definition?.error) throw failure(definition.error, info);
  }

  async function clientStream(stream: AsyncIterable<Message>, context: HandlerContext) {
    const requestDesc = message("ClientStreamRequest");
    const received: Message[] = await Array.fromAsync(stream);
    const [first] = received as UnaryRequest[];
    const requests = received.map((request) => anyPack(requestDesc, request));
    return respondOnce(first?.responseDefinition, requests, context);
  }

  async function* bidiStream(stream: AsyncIterable<Message>, context: HandlerContext) {
    const requestDesc = message("BidiStreamRequest");
    let first: StreamRequest | undefined;
    let pending: Any[] = [];
    let sent = 0;
    for await (const request of stream) {
      if (first === undefined) {
        first = request as StreamRequest;
        sendMetadata(first.responseDefinition, context);
      }
      pending.push(anyPack(requestDesc, request));
      if (first.fullDuplex !== true) continue;
      const data = first.responseDefinition?.responseData[sent];
      // No response is left: the error, if any, comes at once.
      if (data === undefined) break;
      await pause(first.responseDefinition?.responseDelayMs, context);
      yield payload(data, requestInfo(context, pending));
      pending = [];
      sent++;
    }
    const definition = first?.responseDefinition;
    for (const data of definition?.responseData.slice(sent) ?? []) {
      await pause(definition?.responseDelayMs, context);
      yield payload(data, sent === 0 ? requestInfo(context, pending) : undefined);
      sent++;
    }
    if (definition?.error) {
      throw failure(definition.error, sent === 0 ? requestInfo(context, pending) : undefined);
    }
  }

  const methods = {
    unary: unary(message("UnaryRequest")),
    idempotentUnary: unary(message("IdempotentUnaryRequest")),
    serverStream,
    clientStream,
    bidiStream,
  };
  // TypeScript does not know the methods of a descriptor that is loaded at run time.
  return methods as unknown as Service;
}

/** Without generated types, TypeScript does not accept a message as the init of one. */
function outgoing(desc: DescMessage, value: object) {
  return { desc, value: { ...value } };
}

function headersOf(source: Headers | URLSearchParams): Header[] {
  const names = new Set(source.keys());
  return [...names].map((name) => ({
    name,
    value: source instanceof Headers ? [source.get(name) ?? ""] : source.getAll(name),
  }));
}

function sendMetadata(
  definition: UnaryResponseDefinition | StreamResponseDefinition | undefined,
  context: HandlerContext,
): void {
  const append = (target: Headers, headers: readonly Header[] = []) => {
    for (const { name, value } of headers) for (const each of value) target.append(name, each);
  };
  append(context.responseHeader, definition?.responseHeaders);
  append(context.responseTrailer, definition?.responseTrailers);
}

/** Waits. Rejects as soon as the call's signal fires. */
async function pause(milliseconds: number | undefined, { signal }: HandlerContext): Promise<void> {
  if (!milliseconds) return;
  await delay(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted());
}
