import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import {
  headerGrpcMessage,
  headerGrpcStatus,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { encodeGrpcMessage } from "./grpc-message.ts";
import { decompressionFailed } from "./request-compressions.ts";
import type { RequestErrors } from "./request-errors.ts";
import {
  bodyOf,
  changeTrailer,
  changeWebTrailer,
  type ResponseBody,
  replaceEndStream,
} from "./response-body.ts";
import { describeUnknownField } from "./unknown-field.ts";

export const malformedRequest = "the request is not a message of its type";

/** What a request should have been, and the errors for one that is not. */
export interface RequestKind extends RequestErrors {
  readonly input: DescMessage;
}

/**
 * Replaces Connect's error for a request that cannot be decoded, or whose message is too large, with
 * that of `request`, in all protocols. The reasons: Connect uses INTERNAL for malformed bytes, which is
 * the code for defects of the server; its messages about JSON quote the request, which may contain
 * credentials; and it names a limit by an option of its own.
 *
 * @param handling Connect's response, whose body is not read yet
 * @param requestContentType in which protocol to respond where Connect has no response
 */
export async function rewriteDecodeFailure(
  handling: Promise<UniversalServerResponse>,
  requestContentType: string,
  request: RequestKind,
): Promise<UniversalServerResponse> {
  const response = await handling.catch((error: unknown) =>
    respondToUnencodableError(error, requestContentType, request),
  );
  const { status, body, header, trailer } = response;
  if (body === undefined) return response;
  const rewrite = (complete: Headers) => rewriteTrailer(complete, request);
  if (trailer !== undefined) return { ...response, body: changeTrailer(body, trailer, rewrite) };
  const contentType = header?.get("content-type") ?? "";
  if (contentType.startsWith("application/grpc-web")) {
    return { ...response, body: changeWebTrailer(body, rewrite) };
  }
  if (contentType.startsWith("application/connect+")) {
    return { ...response, body: rewriteEndStream(body, request) };
  }
  const isConnectError = status >= 400 && contentType === "application/json";
  return isConnectError ? rewriteConnectError(response, body, request) : response;
}

/**
 * Responds where Connect quotes half of a surrogate pair from the request: it cannot encode its
 * own message for gRPC then, throws a URIError, and would leave the call without a status.
 */
function respondToUnencodableError(
  error: unknown,
  contentType: string,
  request: RequestKind,
): UniversalServerResponse {
  if (!(error instanceof URIError)) throw error;
  const rewritten = request.decodeError(malformedRequest);
  const trailer = setTrailerStatus(new Headers(), rewritten);
  trailer.set(headerGrpcMessage, encodeGrpcMessage(rewritten.rawMessage));
  const response = { status: 200, header: new Headers({ "content-type": contentType }) };
  return contentType.startsWith("application/grpc-web")
    ? { ...response, body: bodyOf(encodeEnvelope(trailerFlag, trailerSerialize(trailer))) }
    : { ...response, body: bodyOf(new Uint8Array()), trailer };
}

/** Streams of Connect. */
function rewriteEndStream(body: ResponseBody, request: RequestKind): ResponseBody {
  return replaceEndStream(body, ({ metadata, error }) => {
    const rewritten = error && rewriteError(error.code, error.rawMessage, request);
    if (rewritten === undefined) return undefined;
    return Buffer.from(JSON.stringify(endStreamToJson(metadata, rewritten, undefined)));
  });
}

/** Unary calls of Connect: the error is the body, and decides the HTTP status. */
async function rewriteConnectError(
  response: UniversalServerResponse,
  body: ResponseBody,
  request: RequestKind,
): Promise<UniversalServerResponse> {
  const bytes = Buffer.concat(await Array.fromAsync(body));
  const { code, rawMessage } = errorFromJsonBytes(bytes, undefined, new ConnectError(""));
  const rewritten = rewriteError(code, rawMessage, request);
  if (rewritten === undefined) return { ...response, body: bodyOf(bytes) };
  const rewrittenBytes = errorToJsonBytes(rewritten, undefined);
  const header = new Headers(response.header);
  header.set("content-length", String(rewrittenBytes.byteLength));
  return { status: codeToHttpStatus(rewritten.code), header, body: bodyOf(rewrittenBytes) };
}

/** Replaces such a failure in the trailer, and encodes the message of any failure for gRPC. */
function rewriteTrailer(trailer: Headers, request: RequestKind): void {
  const encoded = trailer.get(headerGrpcMessage);
  if (encoded === null) return;
  const message = decodeURIComponent(encoded);
  const rewritten = rewriteError(Number(trailer.get(headerGrpcStatus)), message, request);
  if (rewritten !== undefined) setTrailerStatus(trailer, rewritten);
  trailer.set(headerGrpcMessage, encodeGrpcMessage(rewritten?.rawMessage ?? message));
}

/** The error that replaces Connect's; undefined if that is not about decoding the request. */
function rewriteError(
  code: Code,
  message: string,
  { input, decodeError, tooLargeError }: RequestKind,
): ConnectError | undefined {
  if (code === Code.Internal && message.startsWith("parse binary: ")) {
    return decodeError(malformedRequest);
  }
  if (code === Code.InvalidArgument && message === decompressionFailed) {
    return decodeError("the request's compressed message is damaged or ends too early");
  }
  const [, limit] = / is larger than configured readMaxBytes (\d+)/.exec(message) ?? [];
  if (code === Code.ResourceExhausted && limit !== undefined) {
    return tooLargeError(
      `the request message is larger than the limit of ${limit} bytes`,
      "maxMessageBytes",
    );
  }
  // The name of the type or field comes from the contract. The rest may quote the request.
  const [, kind, name] = /^cannot decode (\w+) ([\w.]+) from JSON/.exec(message) ?? [];
  if (code !== Code.InvalidArgument || name === undefined) return undefined;
  const [, unknown] =
    /^cannot decode message \S+ from JSON: key "(.*)" is unknown$/s.exec(message) ?? [];
  if (unknown !== undefined) {
    const { problem, name: field } = describeUnknownField(input, name, unknown);
    return decodeError(`the request's ${kind} ${name} ${problem}`, field);
  }
  const field = kind === "field" ? name.slice(name.lastIndexOf(".") + 1) : undefined;
  return decodeError(`the request's ${kind} ${name} ${jsonProblem(message)}`, field);
}

/** How the error of a null continues after `cannot decode field ... from JSON`. */
export const nullProblem = ": must not be null";

/** What is wrong, without the rest of Connect's message, which quotes the request. */
function jsonProblem(message: string): string {
  if (message.endsWith(nullProblem)) return "must not be null: give it a value, or leave it out";
  return "cannot be decoded from JSON";
}
