import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import {
  SessionService,
  type ValidateRequest,
  ValidateRequestSchema,
  type ValidateResponse,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import {
  type Server,
  type ServerOptions,
  startServer,
  type TransportLimits,
} from "../../src/server/server.ts";
import { testCertificate, testKey } from "./test-certificate.ts";

/** The times are such that no test reaches them, however slow the machine is. */
export const testLimits: TransportLimits = {
  maxMessageBytes: 64 * 1024,
  maxDeadlineMs: 600_000,
  maxConcurrentStreams: 100,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 1000,
  maxConnectionsPerPeer: 1000,
  maxStreams: 1000,
  maxStreamsPerPeer: 1000,
  maxStreamsPerConnection: 1000,
  maxStreamAgeMs: 600_000,
  idleConnectionTimeoutMs: 600_000,
};

export const testTls = { certificate: testCertificate, key: testKey };

export const validatePath = "/sessiond.v1.SessionService/Validate";

/** Responds with the request's cookie as the id of the session. */
export const echo: Partial<ServiceImpl<typeof SessionService>> = {
  validate: (request) => ({ session: { id: cookieOf(request) } }),
};

export function cookieOf(request: ValidateRequest): string {
  return request.credential.case === "cookie" ? request.credential.value : "";
}

export function validateRequest(cookie: string): ValidateRequest {
  return create(ValidateRequestSchema, { credential: { case: "cookie", value: cookie } });
}

export interface StartOptions extends Partial<Omit<ServerOptions, "limits">> {
  limits?: Partial<TransportLimits>;
  service?: Partial<ServiceImpl<typeof SessionService>>;
}

/** Starts servers and opens clients that are closed after each test of the suite. */
export function useTransport() {
  const cleanups: (() => unknown)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) {
      await cleanup();
    }
  });

  return {
    cleanups,
    async start(options: StartOptions = {}): Promise<Server> {
      const server = await startServer({
        host: "127.0.0.1",
        port: 0,
        tls: undefined,
        routes: (router) => router.service(SessionService, options.service ?? echo),
        ...options,
        limits: { ...testLimits, ...options.limits },
      });
      cleanups.push(() => server.drain(0));
      return server;
    },
    /** A connection without any protocol yet. */
    connect(server: Server, options: Partial<net.TcpNetConnectOpts> = {}): net.Socket {
      const socket = net.connect({ ...options, port: server.port, host: server.host });
      cleanups.push(() => socket.destroy());
      return socket;
    },
    grpcClient(server: Server, options: grpc.ClientOptions = {}): grpc.Client {
      const credentials = server.url.startsWith("https")
        ? grpc.credentials.createSsl(Buffer.from(testCertificate))
        : grpc.credentials.createInsecure();
      const client = new grpc.Client(`localhost:${server.port}`, credentials, options);
      cleanups.push(() => client.close());
      return client;
    },
    /** A plain HTTP/2 connection. */
    async http2(server: Server): Promise<http2.ClientHttp2Session> {
      const session = http2.connect(server.url, { ca: testCertificate });
      session.on("error", () => {});
      cleanups.push(() => session.destroy());
      await once(session, "connect");
      return session;
    },
  };
}

export function callGrpc<M extends DescMethodUnary>(
  client: grpc.Client,
  method: M,
  request: MessageShape<M["input"]>,
  options: grpc.CallOptions & { metadata?: Record<string, string> } = {},
): Promise<MessageShape<M["output"]>> {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) {
    metadata.set(key, value);
  }
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<M["input"]>) => Buffer.from(toBinary(method.input, message)),
      (bytes) => fromBinary(method.output, bytes),
      request,
      metadata,
      options,
      (error, response) => (error ? reject(error) : resolve(response as MessageShape<M["output"]>)),
    );
  });
}

/** A message in its gRPC envelope. */
export function frame(payload: Uint8Array, flags = 0, length = payload.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, payload]);
}

export function validateBytes(cookie: string): Uint8Array {
  return toBinary(ValidateRequestSchema, validateRequest(cookie));
}

export interface RawResponse {
  status: number | undefined;
  grpcStatus: number | undefined;
  grpcMessage: string | undefined;
  body: Buffer;
  rstCode: number;
}

export interface RawCall {
  stream: http2.ClientHttp2Stream;
  response: Promise<RawResponse>;
}

/** A gRPC call as a plain HTTP/2 request. The test writes the body. */
export function rawCall(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders = {},
): RawCall {
  const stream = session.request({
    ":method": "POST",
    ":path": validatePath,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const seen: http2.IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("error", () => {});
  stream.on("response", (response) => Object.assign(seen, response));
  stream.on("trailers", (trailers) => Object.assign(seen, trailers));
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const response = new Promise<RawResponse>((resolve) => {
    stream.once("close", () => {
      const grpcStatus = seen["grpc-status"];
      const grpcMessage = seen["grpc-message"];
      resolve({
        status: seen[":status"] as number | undefined,
        grpcStatus: grpcStatus === undefined ? undefined : Number(grpcStatus),
        grpcMessage:
          grpcMessage === undefined ? undefined : decodeURIComponent(String(grpcMessage)),
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode,
      });
    });
  });
  return { stream, response };
}

/** Sends a whole gRPC call, by default with one good message, as a plain HTTP/2 request. */
export function sendCall(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders = {},
  body: Uint8Array = frame(validateBytes("a")),
): RawCall {
  const call = rawCall(session, headers);
  call.stream.end(body);
  return call;
}

/** Calls Validate with grpc-js. */
export function validateOverGrpc(client: grpc.Client, cookie = "a"): Promise<ValidateResponse> {
  return callGrpc(client, SessionService.method.validate, validateRequest(cookie));
}

/** Calls Validate with the Connect protocol in JSON over HTTP/1.1. */
export function postJson(
  server: Server,
  body: string | ReadableStream,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers = { "content-type": "application/json", ...init.headers };
  return fetch(server.url + validatePath, { method: "POST", ...init, body, headers });
}

/** What a call rejects with; fails if it does not reject. */
export async function failureOf<E = Error>(promise: Promise<unknown>): Promise<E> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("value" in result) {
    throw new Error(`expected a failure, got ${String(result.value)}`);
  }
  return result.error as E;
}
