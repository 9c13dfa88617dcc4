import {
  create,
  type DescMethod,
  fromJson,
  type JsonObject,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { ErrorDetailSchema, ErrorReason } from "../../gen/es/sessiond/v1/error_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { startServer } from "../../src/server/server.ts";
import { testLimits } from "../../test/support/transport.ts";
import { PAGE_ORIGIN } from "./page-origin.ts";
import type { ScriptedAnswer } from "./scenario-file.ts";

/** A call that the server has got. */
export interface ReceivedCall {
  /** As JSON, with what is set only. */
  readonly request: JsonObject;
  /** The Authorization header, or "". */
  readonly authorization: string;
  /** The deadline that the client sent, or a very long time if it sent none. */
  readonly timeoutMs: number;
  /** The time since the previous call of this RPC was answered; 0 for the first one. */
  readonly sincePreviousMs: number;
  /** Whether the client has given up before its deadline. */
  cancelled: boolean;
}

export interface ScriptedServer {
  readonly url: string;
  /** Begins anew, with these answers; forgets the calls so far. */
  play(script: Readonly<Record<string, readonly ScriptedAnswer[] | undefined>>): void;
  /** The calls of an RPC, in the order of arrival. */
  received(rpc: string): readonly ReceivedCall[];
  close(): Promise<void>;
}

/**
 * A server of SessionService that answers by a script. What the script does not have is answered
 * with INVALID_COOKIE.
 *
 * @param cut cuts the clients' connections
 */
export async function startScriptedServer(cut: () => void): Promise<ScriptedServer> {
  const answers = new Map<string, ScriptedAnswer[]>();
  const calls = new Map<string, ReceivedCall[]>();
  const answeredAt = new Map<string, number>();
  const ended = new AbortController();

  async function answer(method: DescMethod, request: Message, context: HandlerContext) {
    const call: ReceivedCall = {
      request: toJson(method.input, request) as JsonObject,
      authorization: context.requestHeader.get("authorization") ?? "",
      timeoutMs: context.timeoutMs() ?? Number.MAX_SAFE_INTEGER,
      sincePreviousMs: performance.now() - (answeredAt.get(method.name) ?? performance.now()),
      cancelled: false,
    };
    answeredAt.set(method.name, performance.now());
    calls.set(method.name, [...(calls.get(method.name) ?? []), call]);
    const queue = answers.get(method.name) ?? [{ error: DEFAULT_ERROR }];
    const next = (queue.length > 1 ? queue.shift() : queue[0]) as ScriptedAnswer;
    if ("response" in next) return fromJson(method.output, next.response);
    if ("error" in next) {
      const { retryDelayMs } = next.error;
      // What gRPC's own retry honours; only clients with an interceptor of their own read RetryInfo.
      if (retryDelayMs !== undefined)
        context.responseTrailer.set("grpc-retry-pushback-ms", String(retryDelayMs));
      throw errorOf(next.error);
    }
    if ("cut" in next) cut();
    const { promise, reject } = Promise.withResolvers<never>();
    ended.signal.addEventListener("abort", () => reject(new Error("the scripted server ends")));
    context.signal.addEventListener("abort", () => {
      const { reason } = context.signal;
      // The server ends a call at its deadline by itself, so that would say nothing of the client.
      call.cancelled = ConnectError.from(reason).code !== Code.DeadlineExceeded;
      reject(reason);
    });
    return promise;
  }

  const implementation = Object.fromEntries(
    SessionService.methods.map((method) => [
      method.localName,
      (request: Message, context: HandlerContext) => answer(method, request, context),
    ]),
  ) as unknown as ServiceImpl<typeof SessionService>;
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    routes: (router) => router.service(SessionService, implementation),
    limits: testLimits,
    origins: { allowedHosts: undefined, allowedOrigins: [PAGE_ORIGIN] },
  });
  return {
    url: server.url,
    play(script) {
      answers.clear();
      calls.clear();
      answeredAt.clear();
      for (const [rpc, list] of Object.entries(script)) answers.set(rpc, [...(list ?? [])]);
    },
    received: (rpc) => calls.get(rpc) ?? [],
    async close() {
      ended.abort();
      await server.drain(0);
    },
  };
}

type ScriptedError = Extract<ScriptedAnswer, { error: unknown }>["error"];

const DEFAULT_ERROR = {
  code: "UNAUTHENTICATED",
  message: "not in the script",
  reason: "INVALID_COOKIE",
  httpStatus: 401,
};

function errorOf(error: ScriptedError): ConnectError {
  const code = Code[pascalCase(error.code) as keyof typeof Code];
  if (code === undefined) throw new Error(`there is no code ${error.code}`);
  const connectError = new ConnectError(error.message ?? "scripted", code);
  const { reason, retryDelayMs } = error;
  if (reason !== undefined) {
    const number = typeof reason === "number" ? reason : numberOf(reason);
    const detail = { reason: number, httpStatus: Number(error.httpStatus ?? 0), field: "" };
    connectError.details.push(
      { desc: ErrorDetailSchema, value: detail },
      { desc: ErrorInfoSchema, value: { reason: String(reason), domain: "sessiond.v1" } },
    );
  }
  if (retryDelayMs !== undefined) {
    const value = create(RetryInfoSchema, { retryDelay: durationFromMs(retryDelayMs) });
    connectError.details.push({ desc: RetryInfoSchema, value });
  }
  return connectError;
}

function numberOf(reason: string): ErrorReason {
  const number = ErrorReason[reason as keyof typeof ErrorReason];
  if (number === undefined) throw new Error(`there is no reason ${reason}`);
  return number;
}

function pascalCase(code: string): string {
  const words = code.toLowerCase().split("_");
  const name = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
  return name === "Cancelled" ? "Canceled" : name;
}
