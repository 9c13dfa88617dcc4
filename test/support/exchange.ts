import { once } from "node:events";
import http2 from "node:http2";
import { connect } from "node:net";
import tls from "node:tls";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import type { Server } from "../../src/server/server.ts";
import { FrameTap } from "./frame-tap.ts";
import { testCertificate } from "./test-certificate.ts";
import { frame, validateBytes, validatePath } from "./transport.ts";

/** A unary gRPC call as a plain HTTP/2 request. */
export interface RawRequest {
  headers?: http2.OutgoingHttpHeaders;
  /** The headers end the stream. */
  noBody?: boolean;
  /** Writes the body, and may end it. By default it sends one good message. */
  send?: (stream: http2.ClientHttp2Stream) => void;
}

/** Everything that a client can observe of a response, except when it came. */
export interface Observed {
  informational: string[];
  headers: string[];
  body: string;
  /** All of a Trailers-Only response, which has no headers in the sense of gRPC. */
  trailers: string[];
  /** The gRPC error in the trailers, with its details. */
  error: { code: number; message: string; details: unknown[] } | undefined;
  rstCode: number;
  /** The server's frames, without their contents. */
  frames: string[];
}

/** A connection whose incoming frames are recorded. */
export interface TappedSession {
  session: http2.ClientHttp2Session;
  tap: FrameTap;
}

export async function openTapped(server: Server): Promise<TappedSession> {
  const { port } = server;
  const tap = new FrameTap(
    server.url.startsWith("https")
      ? tls.connect({ port, host: "127.0.0.1", ca: testCertificate, ALPNProtocols: ["h2"] })
      : connect(port, "127.0.0.1"),
  );
  const session = http2.connect(server.url, { createConnection: () => tap });
  session.on("error", () => {});
  await once(session, "connect");
  return { session, tap };
}

/** Sends a request and resolves when its stream is closed. */
export async function exchange(
  { session, tap }: TappedSession,
  request: RawRequest = {},
): Promise<Observed> {
  const { noBody = false, send = sendMessage() } = request;
  const stream = session.request(
    {
      ":method": "POST",
      ":path": validatePath,
      // The same for both servers, whose ports differ.
      ...(request.headers?.host === undefined && { ":authority": "sessiond.test" }),
      "content-type": "application/grpc",
      te: "trailers",
      ...request.headers,
    },
    { endStream: noBody },
  );
  const informational: string[] = [];
  const headers: string[] = [];
  const trailers: string[] = [];
  const chunks: Buffer[] = [];
  let trailer = new Headers();
  type HeadersEvent = [http2.IncomingHttpHeaders, number, string[]];
  stream.on("error", () => {});
  stream.on("headers", (...[, , raw]: HeadersEvent) => informational.push(...lines(raw)));
  const receiveTrailers = (...[, , raw]: HeadersEvent) => {
    trailers.push(...lines(raw));
    trailer = new Headers(entries(raw).filter(([name]) => !name.startsWith(":")));
  };
  stream.on("response", (received, flags, raw: string[]) => {
    const endsStream = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (endsStream && "grpc-status" in received) receiveTrailers(received, flags, raw);
    else headers.push(...lines(raw));
  });
  stream.on("trailers", receiveTrailers);
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => stream.once("close", resolve));
  if (!noBody) send(stream);
  await closed;
  const error = findTrailerError(trailer);
  return {
    informational,
    headers,
    body: Buffer.concat(chunks).toString("hex"),
    trailers,
    error: error && { code: error.code, message: error.rawMessage, details: error.details },
    rstCode: stream.rstCode,
    frames: tap.framesOf(stream.id ?? 0),
  };
}

/** Sends one message and ends the request. */
export function sendMessage(cookie = "a"): (stream: http2.ClientHttp2Stream) => void {
  return sendBytes(frame(validateBytes(cookie)));
}

/** Sends each chunk in its own DATA frame and ends the request. */
export function sendBytes(...chunks: Uint8Array[]): (stream: http2.ClientHttp2Stream) => void {
  return (stream) => {
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
  };
}

function entries(raw: string[]): [string, string][] {
  return raw.flatMap((name, index) =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? ""] as [string, string]] : [],
  );
}

/** One line for each header as it was sent, sorted. */
function lines(raw: string[]): string[] {
  return entries(raw)
    .map(([name, value]) => `${name}: ${name === "date" ? "(a date)" : value}`)
    .sort();
}
