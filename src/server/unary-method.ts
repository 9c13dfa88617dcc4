import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Serialization } from "@connectrpc/connect/protocol";

/** A unary method as the unary fast path needs it. */
export interface UnaryMethod {
  readonly method: DescMethodUnary;
  readonly input: Serialization<MessageShape<DescMessage>>;
  /** The response as an uncompressed gRPC envelope. */
  readonly encode: (message: MessageShape<DescMessage>) => Buffer;
  /** Whether interceptors stand before the implementation: they see the deadline go by. */
  readonly intercepted: boolean;
  /** Runs the interceptors and the implementation. */
  invoke(
    message: MessageShape<DescMessage>,
    context: HandlerContext,
  ): Promise<MessageShape<DescMessage>>;
}
