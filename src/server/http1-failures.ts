import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { type FixedResponse, jsonErrorResponse } from "./fixed-response.ts";

/** What a client has seen of a connection so far. */
export interface ConnectionProgress {
  /** A request on it has been parsed. */
  readonly hadRequest: boolean;
  /** A response has begun; another must not follow. */
  readonly headersSent: boolean;
}

/**
 * Creates a listener for "clientError" of an HTTP/1.1 server: what cannot be parsed, or arrives too
 * late, gets a response that says so, and its connection is closed. Without a listener Node sends the
 * status alone.
 *
 * A connection without TLS whose first bytes are no HTTP method has no client that would understand an
 * answer. It is closed, as RFC 9113, section 3.4, asks for what is no preface of HTTP/2 either.
 *
 * @param headerOverflow creates the response to headers above the limits
 * @param onError gets every failure
 */
export function createClientErrorListener(
  headerOverflow: () => FixedResponse,
  progressOf: (socket: Socket) => ConnectionProgress,
  onError: (error: unknown, where: string) => void,
): (error: Error, socket: Socket) => void {
  return (error, socket) => {
    onError(error, "HTTP/1.1 connection");
    const { hadRequest, headersSent } = progressOf(socket);
    const isHttp = hadRequest || "encrypted" in socket || codeOf(error) !== "HPE_INVALID_METHOD";
    const mayRespond = socket.writable && !headersSent && isHttp;
    const response = mayRespond ? responseTo(error, headerOverflow) : undefined;
    if (response === undefined) {
      socket.destroy();
      return;
    }
    socket.write(serialize(response));
    socket.destroySoon();
  };
}

/** Undefined for an error of the connection, on which nothing can be sent any more. */
function responseTo(error: Error, headerOverflow: () => FixedResponse): FixedResponse | undefined {
  const code = codeOf(error);
  if (code === "HPE_HEADER_OVERFLOW") return headerOverflow();
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const message = "the request did not arrive in time";
    return jsonErrorResponse(new ConnectError(message, Code.DeadlineExceeded), 408);
  }
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") {
    const message = "the extensions of the request's chunks are too large";
    return jsonErrorResponse(new ConnectError(message, Code.InvalidArgument), 413);
  }
  if (!code.startsWith("HPE_")) return undefined;
  const message = "the request is not valid HTTP/1.1";
  return jsonErrorResponse(new ConnectError(message, Code.InvalidArgument), 400);
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : "";
}

function serialize({ status, headers, body }: FixedResponse): Buffer {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "connection: close",
    `content-length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}
