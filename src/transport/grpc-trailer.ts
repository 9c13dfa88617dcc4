import { Code } from "@connectrpc/connect";
import {
  headerGrpcMessage,
  headerGrpcStatus,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import { SessionError } from "../session/errors.ts";
import { sessionErrorToConnect } from "./errors.ts";

/** How Connect begins the message of a request that it could not decode. */
const PARSE_FAILURE = "parse binary: ";

/**
 * Puts two things right that Connect says in the trailer of a gRPC response.
 *
 * A request that is no message of its type gets INTERNAL from it. To whoever is called when things
 * break, that is a defect of sessiond; but it is the caller's, so that it becomes INVALID_REQUEST.
 *
 * And it encodes more of the message than gRPC asks for, which grpc-js does not decode again: its
 * users would read `%2C` for a comma.
 */
export function mendGrpcTrailer(trailer: Headers): void {
  const encoded = trailer.get(headerGrpcMessage);
  if (encoded === null) return;
  let message = decodeURIComponent(encoded);
  const undecodable =
    trailer.get(headerGrpcStatus) === String(Code.Internal) && message.startsWith(PARSE_FAILURE);
  if (undecodable) {
    const cause = message.slice(PARSE_FAILURE.length);
    message = `the request is not a message of its type: ${cause}`;
    const error = new SessionError("INVALID_REQUEST", { message });
    setTrailerStatus(trailer, sessionErrorToConnect(error));
  }
  trailer.set(headerGrpcMessage, percentEncode(message));
}

/** gRPC's own encoding: the bytes that are not printable ASCII, and the percent sign. */
function percentEncode(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
