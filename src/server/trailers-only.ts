import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { headerGrpcStatus } from "@connectrpc/connect/protocol-grpc";
import type { ResponseBody } from "./response-body.ts";

/** A response in one frame: its headers, which have the trailers too, end the stream. */
export interface TrailersOnly {
  readonly trailersOnly: Headers;
}

/**
 * gRPC's libraries do not retry a call once they have response headers apart from trailers (gRFC A6).
 * So a unary call that fails gets both in one frame, which is the Trailers-Only form of gRPC.
 *
 * @returns the headers and trailers of a unary gRPC response that has no message; otherwise the
 *   response, whose body can be read as before
 */
export async function joinTrailers(
  response: UniversalServerResponse,
): Promise<UniversalServerResponse | TrailersOnly> {
  const { header, body, trailer } = response;
  if (trailer === undefined || body === undefined) return response;
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done !== true) return { ...response, body: continueWith(first.value, chunks) };
  // Connect fills the trailer in while the body is read.
  const trailersOnly = new Headers(header);
  for (const name of trailer.keys()) trailersOnly.delete(name);
  for (const [name, value] of trailer) trailersOnly.append(name, value);
  return trailersOnly.get(headerGrpcStatus) === null
    ? { ...response, body: empty() }
    : { trailersOnly };
}

async function* continueWith(first: Uint8Array, rest: AsyncIterator<Uint8Array>): ResponseBody {
  try {
    yield first;
    yield* { [Symbol.asyncIterator]: () => rest };
  } finally {
    // If the reader stops at the first chunk, for example because the headers cannot be sent.
    await rest.return?.();
  }
}

async function* empty(): ResponseBody {}
