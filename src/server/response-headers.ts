import { type EncodedHeaders, encodeHeaders } from "./http2/hpack-encoder.ts";

/** Fields that few responses differ in: worth a place in the client's dynamic table. */
const commonNames = ["content-type", "grpc-encoding", "grpc-status"];

/** Names and values. Of Headers, repeated names are joined with commas, but for cookies. */
export type Fields = Iterable<readonly [string, string]>;

/**
 * The headers of an HTTP/2 response. They get a date unless they have one.
 *
 * @throws {TypeError} for a field that HTTP/2 does not permit
 */
export function encodeResponseHeaders(status: number, fields: Fields): EncodedHeaders {
  const pairs = [...fields];
  return encodeHeaders([":status", String(status), ...pairs.flat()], {
    indexed: commonNames,
    dated: !pairs.some(([name]) => name === "date"),
  });
}

/**
 * The trailers of an HTTP/2 response; undefined if there are none.
 *
 * @throws {TypeError} for a field that HTTP/2 does not permit
 */
export function encodeTrailers(fields: Fields): EncodedHeaders | undefined {
  const pairs = [...fields];
  return pairs.length === 0 ? undefined : encodeHeaders(pairs.flat(), { indexed: commonNames });
}
