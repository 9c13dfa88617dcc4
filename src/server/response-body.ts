import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamFromJson } from "@connectrpc/connect/protocol-connect";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { prefixBytes } from "./envelope-encoder.ts";

/** The body of a response of Connect. */
export type ResponseBody = AsyncIterable<Uint8Array>;

export async function* bodyOf(bytes: Uint8Array): ResponseBody {
  yield bytes;
}

type ChangeTrailer = (trailer: Headers) => void;

/** gRPC: changes the trailer when it is complete. Connect fills it in while the body is read. */
export async function* changeTrailer(
  body: ResponseBody,
  trailer: Headers,
  change: ChangeTrailer,
): ResponseBody {
  yield* body;
  change(trailer);
}

/** gRPC-Web: changes the trailer, which is the last envelope of the body, in a chunk of its own. */
export async function* changeWebTrailer(body: ResponseBody, change: ChangeTrailer): ResponseBody {
  for await (const chunk of body) {
    if (chunk[0] === trailerFlag) {
      const trailer = trailerParse(chunk.subarray(prefixBytes));
      change(trailer);
      yield encodeEnvelope(trailerFlag, trailerSerialize(trailer));
    } else {
      yield chunk;
    }
  }
}

type EndStream = ReturnType<typeof endStreamFromJson>;

/**
 * Streams of Connect: reads the end of the stream, which is the last envelope of the body, in a chunk
 * of its own.
 *
 * @param replace returns the JSON that takes its place; undefined leaves it as it is
 */
export async function* replaceEndStream(
  body: ResponseBody,
  replace: (endStream: EndStream) => Uint8Array | undefined,
): ResponseBody {
  for await (const chunk of body) {
    const isEnd = chunk[0] === endStreamFlag;
    const json = isEnd ? replace(endStreamFromJson(chunk.subarray(prefixBytes))) : undefined;
    yield json === undefined ? chunk : encodeEnvelope(endStreamFlag, json);
  }
}
