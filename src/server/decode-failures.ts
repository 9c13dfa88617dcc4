import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import {
  headerGrpcMessage,
  headerGrpcStatus,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { sessionErrorToConnect } from "../rpc/errors.ts";
import { SessionError } from "../session/errors.ts";

type ByteStream = AsyncIterable<Uint8Array>;

/**
 * Puts right what Connect answers to a request that is no message of its type, before any code of
 * ours is asked: it says INTERNAL to bytes that do not decode, which is the code for defects of
 * the server, and its words about JSON quote the request, in which there may be credentials.
 * Instead it becomes INVALID_REQUEST like any other request that is wrong: over gRPC and gRPC-Web,
 * and for Connect's unary calls, which all of sessiond.v1 are.
 */
export async function mendDecodeFailure(
  handling: Promise<UniversalServerResponse>,
  requestContentType: string,
): Promise<UniversalServerResponse> {
  const response = await handling.catch((error: unknown) => unencodable(error, requestContentType));
  const { status, body, header, trailer } = response;
  if (body === undefined) return response;
  if (trailer !== undefined) return { ...response, body: thenMend(body, trailer) };
  const contentType = header?.get("content-type") ?? "";
  if (contentType.startsWith("application/grpc-web")) {
    return { ...response, body: mendWebTrailer(body) };
  }
  const isConnectError = status >= 400 && contentType === "application/json";
  return isConnectError ? mendConnectError(response, body) : response;
}

/** gRPC: Connect fills the trailer in while the body is read. */
async function* thenMend(body: ByteStream, trailer: Headers): ByteStream {
  yield* body;
  mendTrailer(trailer);
}

/**
 * Where the request holds half of a surrogate pair and Connect quotes it, Connect cannot encode its
 * own words for gRPC, and would leave the call without a status.
 */
function unencodable(error: unknown, contentType: string): UniversalServerResponse {
  if (!(error instanceof URIError)) throw error;
  const mended = undecodable();
  const trailer = setTrailerStatus(new Headers(), mended);
  trailer.set(headerGrpcMessage, percentEncode(mended.rawMessage));
  const answer = { status: 200, header: new Headers({ "content-type": contentType }) };
  return contentType.startsWith("application/grpc-web")
    ? { ...answer, body: once(encodeEnvelope(trailerFlag, trailerSerialize(trailer))) }
    : { ...answer, body: once(new Uint8Array()), trailer };
}

/** gRPC-Web: the trailer is the last envelope of the body, and a chunk of its own. */
async function* mendWebTrailer(body: ByteStream): ByteStream {
  const headBytes = 5;
  for await (const chunk of body) {
    if (chunk[0] === trailerFlag) {
      const trailer = trailerParse(chunk.subarray(headBytes));
      mendTrailer(trailer);
      yield encodeEnvelope(trailerFlag, trailerSerialize(trailer));
    } else {
      yield chunk;
    }
  }
}

/** Connect, unary: the error is the body of a response with a status of its own. */
async function mendConnectError(
  response: UniversalServerResponse,
  body: ByteStream,
): Promise<UniversalServerResponse> {
  const bytes = Buffer.concat(await Array.fromAsync(body));
  const { code, rawMessage } = errorFromJsonBytes(bytes, undefined, new ConnectError(""));
  const mended = invalidRequestOf(code, rawMessage);
  if (mended === undefined) return { ...response, body: once(bytes) };
  const mendedBytes = errorToJsonBytes(mended, undefined);
  const header = new Headers(response.header);
  header.set("content-length", String(mendedBytes.byteLength));
  return { status: codeToHttpStatus(mended.code), header, body: once(mendedBytes) };
}

async function* once(bytes: Uint8Array): ByteStream {
  yield bytes;
}

/**
 * Also mends the encoding of the message. Connect encodes more than gRPC asks for, which grpc-js
 * does not decode again: its users would read `%2C` for a comma.
 */
function mendTrailer(trailer: Headers): void {
  const encoded = trailer.get(headerGrpcMessage);
  if (encoded === null) return;
  const message = decodeURIComponent(encoded);
  const mended = invalidRequestOf(Number(trailer.get(headerGrpcStatus)), message);
  if (mended !== undefined) setTrailerStatus(trailer, mended);
  trailer.set(headerGrpcMessage, percentEncode(mended?.rawMessage ?? message));
}

/** gRPC's own encoding of grpc-message: the bytes that are not printable ASCII, and the percent sign. */
export function percentEncode(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}

/** What the failure should have been, if it is one of decoding. */
function invalidRequestOf(code: Code, message: string): ConnectError | undefined {
  if (code === Code.Internal && message.startsWith("parse binary: ")) {
    return undecodable();
  }
  // Of what follows only the type's or the field's name is ours; the rest may quote the request.
  const [, kind, name] = /^cannot decode (\w+) ([\w.]+) from JSON/.exec(message) ?? [];
  if (code !== Code.InvalidArgument || name === undefined) return undefined;
  const field = kind === "field" ? name.slice(name.lastIndexOf(".") + 1) : undefined;
  return refusal(`the request's ${kind} ${name} cannot be decoded from JSON`, field);
}

/** What a request is answered whose bytes are no message of its type. */
export function undecodable(): ConnectError {
  return refusal("the request is not a message of its type");
}

function refusal(message: string, field?: string): ConnectError {
  const options = field === undefined ? { message } : { message, field };
  return sessionErrorToConnect(new SessionError("INVALID_REQUEST", options));
}
