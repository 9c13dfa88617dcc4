import type { ServerResponse } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { headerGrpcMessage, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { encodeGrpcMessage } from "./grpc-message.ts";

/** A whole response to a request that no handler gets. */
export interface FixedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for a gRPC status, which is in the headers. */
  readonly body: Uint8Array;
}

/** The content types of gRPC and gRPC-Web. The response has the request's. */
const grpcContentType = /^application\/grpc(-web(-text)?)?(\+(proto|json))?$/i;

/**
 * The response that reports an error in the client's protocol. gRPC and gRPC-Web get their
 * Trailers-Only form: the status is in the headers, and there is no body. Everyone else gets the JSON
 * of Connect and the HTTP status. Nothing of the request is repeated.
 */
export function errorResponse(
  requestContentType: string | undefined,
  error: ConnectError,
  httpStatus: number,
): FixedResponse {
  const contentType = requestContentType ?? "";
  if (!contentType.startsWith("application/grpc")) return jsonErrorResponse(error, httpStatus);
  const trailers = setTrailerStatus(new Headers(), error);
  trailers.set(headerGrpcMessage, encodeGrpcMessage(error.rawMessage));
  return {
    status: 200,
    headers: {
      "content-type": grpcContentType.test(contentType) ? contentType : "application/grpc",
      ...Object.fromEntries(trailers),
    },
    body: new Uint8Array(),
  };
}

/**
 * The response that reports an error in the JSON of Connect. Clients of gRPC may get it too, and do not
 * read it. With exactly `application/json` the conformance suite would fail them for that; Connect's
 * clients accept the charset.
 */
export function jsonErrorResponse(error: ConnectError, status: number): FixedResponse {
  return bodyResponse(
    status,
    "application/json; charset=utf-8",
    errorToJsonBytes(error, undefined),
  );
}

export function textResponse(text: string): FixedResponse {
  return bodyResponse(200, "text/plain; charset=utf-8", Buffer.from(text));
}

function bodyResponse(status: number, contentType: string, body: Uint8Array): FixedResponse {
  const headers = { "content-type": contentType, "x-content-type-options": "nosniff" };
  return { status, headers, body };
}

/** Responds over HTTP/1.1. Node discards what was not read of the request. */
export function sendOverHttp1(res: ServerResponse, response: FixedResponse): void {
  const { status, headers, body } = response;
  res.writeHead(status, { ...headers, "content-length": String(body.length) });
  res.end(body);
}
