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
  /** Of BidiStream only: an answer to each request rather than all after the last. */
  fullDuplex?: boolean;
}

export interface ConformanceServiceOptions {
  /** A longer timeout is the server's own bound, which the suite did not ask for and is not told. */
  readonly longestTimeoutMs: number;
  /** onCall gets the context of each unary call. */
  readonly onCall: (context: HandlerContext) => void;
}

/**
 * What the suite wants of a server: each call says in its first request how it is to be answered,
 * and is told what the server has seen of it. Unimplemented is left out, as it should be.
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
    const asked = timeoutMs !== undefined && timeoutMs <= options.longestTimeoutMs;
    return create(requestInfoDesc, {
      requestHeaders: headersOf(context.requestHeader),
      requests,
      ...(asked ? { timeoutMs: BigInt(Math.trunc(timeoutMs)) } : {}),
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

  /** The error asked for, with the call's info if no response has told of it. */
  function failure(asked: RequestedError, info: Message | undefined): ConnectError {
    const details = asked.details.map((any) => {
      const value = anyUnpack(any, registry);
      const desc = value && registry.getMessage(value.$typeName);
      if (value === undefined || desc === undefined)
        throw new Error(`unknown error detail ${any.typeUrl}`);
      return outgoing(desc, value);
    });
    if (info !== undefined) details.push(outgoing(requestInfoDesc, info));
    return new ConnectError(asked.message ?? "", asked.code, undefined, details);
  }

  async function answerOnce(
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
      return answerOnce(definition, [anyPack(requestDesc, request)], context);
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
    return answerOnce(first?.responseDefinition, requests, context);
  }

  async function* bidiStream(stream: AsyncIterable<Message>, context: HandlerContext) {
    const requestDesc = message("BidiStreamRequest");
    let first: StreamRequest | undefined;
    let unanswered: Any[] = [];
    let sent = 0;
    for await (const request of stream) {
      if (first === undefined) {
        first = request as StreamRequest;
        sendMetadata(first.responseDefinition, context);
      }
      unanswered.push(anyPack(requestDesc, request));
      if (first.fullDuplex !== true) continue;
      const data = first.responseDefinition?.responseData[sent];
      // There is nothing left to answer with: the error, if any, comes at once.
      if (data === undefined) break;
      await pause(first.responseDefinition?.responseDelayMs, context);
      yield payload(data, requestInfo(context, unanswered));
      unanswered = [];
      sent++;
    }
    const definition = first?.responseDefinition;
    for (const data of definition?.responseData.slice(sent) ?? []) {
      await pause(definition?.responseDelayMs, context);
      yield payload(data, sent === 0 ? requestInfo(context, unanswered) : undefined);
      sent++;
    }
    if (definition?.error) {
      throw failure(definition.error, sent === 0 ? requestInfo(context, unanswered) : undefined);
    }
  }

  const methods = {
    unary: unary(message("UnaryRequest")),
    idempotentUnary: unary(message("IdempotentUnaryRequest")),
    serverStream,
    clientStream,
    bidiStream,
  };
  // A descriptor that comes at run time does not tell TypeScript which methods there are.
  return methods as unknown as Service;
}

/** Without static types, what a message is made of and a message are two things to TypeScript. */
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

/** Rejects as soon as the call is over. */
async function pause(milliseconds: number | undefined, { signal }: HandlerContext): Promise<void> {
  if (!milliseconds) return;
  await delay(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted());
}
