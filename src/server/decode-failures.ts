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

type ByteStream = AsyncIterable<Uint8Array>;

/**
 * The error to answer a request with that is no message of its type. `message` holds nothing of the
 * request; `field` is the name of the field that does not decode, where it is known.
 */
export type DecodeError = (message: string, field?: string) => ConnectError;

/** For services that have no error of their own for this. */
export const invalidArgument: DecodeError = (message) =>
  new ConnectError(message, Code.InvalidArgument);

export const notAMessage = "the request is not a message of its type";

/**
 * Rewrites what Connect answers to a request that is no message of its type, before any handler
 * runs. Connect says INTERNAL to bytes that do not decode, which is the code for defects of the
 * server, and its messages about JSON quote the request, which may hold credentials. The rewritten
 * answer is `decodeError`'s: over gRPC and gRPC-Web, and for Connect's unary calls.
 */
export async function rewriteDecodeFailure(
  handling: Promise<UniversalServerResponse>,
  requestContentType: string,
  decodeError: DecodeError,
): Promise<UniversalServerResponse> {
  const response = await handling.catch((error: unknown) =>
    answerUnencodable(error, requestContentType, decodeError),
  );
  const { status, body, header, trailer } = response;
  if (body === undefined) return response;
  if (trailer !== undefined) {
    return { ...response, body: thenRewriteTrailer(body, trailer, decodeError) };
  }
  const contentType = header?.get("content-type") ?? "";
  if (contentType.startsWith("application/grpc-web")) {
    return { ...response, body: rewriteWebTrailer(body, decodeError) };
  }
  const isConnectError = status >= 400 && contentType === "application/json";
  return isConnectError ? rewriteConnectError(response, body, decodeError) : response;
}

/** gRPC: Connect fills the trailer in while the body is read. */
async function* thenRewriteTrailer(
  body: ByteStream,
  trailer: Headers,
  decodeError: DecodeError,
): ByteStream {
  yield* body;
  rewriteTrailer(trailer, decodeError);
}

/**
 * Where the request holds half of a surrogate pair and Connect quotes it, Connect cannot encode its
 * own message for gRPC, and would leave the call without a status.
 */
function answerUnencodable(
  error: unknown,
  contentType: string,
  decodeError: DecodeError,
): UniversalServerResponse {
  if (!(error instanceof URIError)) throw error;
  const rewritten = decodeError(notAMessage);
  const trailer = setTrailerStatus(new Headers(), rewritten);
  trailer.set(headerGrpcMessage, percentEncode(rewritten.rawMessage));
  const answer = { status: 200, header: new Headers({ "content-type": contentType }) };
  return contentType.startsWith("application/grpc-web")
    ? { ...answer, body: once(encodeEnvelope(trailerFlag, trailerSerialize(trailer))) }
    : { ...answer, body: once(new Uint8Array()), trailer };
}

/** gRPC-Web: the trailer is the last envelope of the body, and a chunk of its own. */
async function* rewriteWebTrailer(body: ByteStream, decodeError: DecodeError): ByteStream {
  const headBytes = 5;
  for await (const chunk of body) {
    if (chunk[0] === trailerFlag) {
      const trailer = trailerParse(chunk.subarray(headBytes));
      rewriteTrailer(trailer, decodeError);
      yield encodeEnvelope(trailerFlag, trailerSerialize(trailer));
    } else {
      yield chunk;
    }
  }
}

/** Connect, unary: the error is the body of a response with a status of its own. */
async function rewriteConnectError(
  response: UniversalServerResponse,
  body: ByteStream,
  decodeError: DecodeError,
): Promise<UniversalServerResponse> {
  const bytes = Buffer.concat(await Array.fromAsync(body));
  const { code, rawMessage } = errorFromJsonBytes(bytes, undefined, new ConnectError(""));
  const rewritten = rewrittenError(code, rawMessage, decodeError);
  if (rewritten === undefined) return { ...response, body: once(bytes) };
  const rewrittenBytes = errorToJsonBytes(rewritten, undefined);
  const header = new Headers(response.header);
  header.set("content-length", String(rewrittenBytes.byteLength));
  return { status: codeToHttpStatus(rewritten.code), header, body: once(rewrittenBytes) };
}

async function* once(bytes: Uint8Array): ByteStream {
  yield bytes;
}

/**
 * Also rewrites the encoding of the message. Connect encodes more than gRPC asks for, which grpc-js
 * does not decode again: its users would read `%2C` for a comma.
 */
function rewriteTrailer(trailer: Headers, decodeError: DecodeError): void {
  const encoded = trailer.get(headerGrpcMessage);
  if (encoded === null) return;
  const message = decodeURIComponent(encoded);
  const rewritten = rewrittenError(Number(trailer.get(headerGrpcStatus)), message, decodeError);
  if (rewritten !== undefined) setTrailerStatus(trailer, rewritten);
  trailer.set(headerGrpcMessage, percentEncode(rewritten?.rawMessage ?? message));
}

/** gRPC's own encoding of grpc-message: the bytes that are not printable ASCII, and the percent sign. */
export function percentEncode(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}

/** What the failure should have been, if it is one of decoding. */
function rewrittenError(
  code: Code,
  message: string,
  decodeError: DecodeError,
): ConnectError | undefined {
  if (code === Code.Internal && message.startsWith("parse binary: ")) {
    return decodeError(notAMessage);
  }
  // Of the rest of the message only the name of the type or field is ours: it may quote the request.
  const [, kind, name] = /^cannot decode (\w+) ([\w.]+) from JSON/.exec(message) ?? [];
  if (code !== Code.InvalidArgument || name === undefined) return undefined;
  const field = kind === "field" ? name.slice(name.lastIndexOf(".") + 1) : undefined;
  return decodeError(`the request's ${kind} ${name} cannot be decoded from JSON`, field);
}
