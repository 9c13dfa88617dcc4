import type { DescMessage, DescMethodUnary, Message, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Serialization } from "@connectrpc/connect/protocol";
import type { MethodMeter } from "./call-meter.ts";

/**
 * What a unary handler may return instead of a message, if it can encode its response without making one.
 * Only the fast path makes use of it.
 */
export interface EncodableResponse {
  /**
   * The response as an uncompressed gRPC envelope, with the bytes that protobuf-es makes of its message.
   * Undefined if only protobuf-es can encode it.
   */
  toEnvelope(): Buffer | undefined;
  toMessage(): Message;
}

export function isEncodable(response: unknown): response is EncodableResponse {
  const { toEnvelope } = (response ?? {}) as Partial<EncodableResponse>;
  return typeof toEnvelope === "function";
}

/** A unary method as the unary fast path needs it. */
export interface UnaryMethod {
  readonly method: DescMethodUnary;
  readonly input: Serialization<MessageShape<DescMessage>>;
  /** Encodes what `invoke` has returned as an uncompressed gRPC envelope. */
  readonly encode: (response: unknown) => Buffer;
  /** Whether the method has interceptors, which must see the call's failure at its deadline. */
  readonly intercepted: boolean;
  /** Undefined if nothing counts calls. */
  readonly meter: MethodMeter | undefined;
  /** Runs the interceptors and the handler, which may also return no promise, or throw. */
  invoke(message: MessageShape<DescMessage>, context: HandlerContext): unknown;
}
