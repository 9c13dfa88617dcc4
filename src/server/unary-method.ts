import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Serialization } from "@connectrpc/connect/protocol";

/** A unary method as the unary fast path needs it. */
export interface UnaryMethod {
  readonly method: DescMethodUnary;
  readonly input: Serialization<MessageShape<DescMessage>>;
  /** Encodes the response as an uncompressed gRPC envelope. */
  readonly encode: (message: MessageShape<DescMessage>) => Buffer;
  /** Whether the method has interceptors, which must see the call's failure at its deadline. */
  readonly intercepted: boolean;
  /** Runs the interceptors and the handler. */
  invoke(
    message: MessageShape<DescMessage>,
    context: HandlerContext,
  ): Promise<MessageShape<DescMessage>>;
}
