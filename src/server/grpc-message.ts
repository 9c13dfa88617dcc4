/**
 * Encodes a grpc-message trailer: percent-encoding of everything but printable ASCII, and of the
 * percent sign.
 *
 * Connect encodes more characters than gRPC asks for, and grpc-js does not decode those: its users
 * would read `%2C` instead of a comma.
 *
 * @throws {URIError} if the message contains half of a surrogate pair
 */
export function encodeGrpcMessage(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
