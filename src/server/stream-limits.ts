import type { ConnectError } from "@connectrpc/connect";
import type { TooManyStreamsErrorFactory } from "./request-errors.ts";

/** Counts the open streaming calls, in all and on each connection. */
export interface StreamLimits {
  /**
   * Counts a stream until its response is closed, or returns the error for one too many. A connection that
   * goes on after as many refusals as it may have streams is reported to `onAbuse`.
   *
   * @param connection stands for the connection; undefined if that has been closed
   */
  open(
    connection: object | undefined,
    response: { once(event: "close", listener: () => void): unknown },
  ): ConnectError | undefined;
}

export function createStreamLimits(
  { maxStreams, maxStreamsPerConnection }: { maxStreams: number; maxStreamsPerConnection: number },
  tooManyStreamsError: TooManyStreamsErrorFactory,
  onAbuse: (connection: object) => void,
): StreamLimits {
  let open = 0;
  const openByConnection = new WeakMap<object, number>();
  const refusedByConnection = new WeakMap<object, number>();

  function countRefusal(connection: object): void {
    const refused = (refusedByConnection.get(connection) ?? 0) + 1;
    refusedByConnection.set(connection, refused);
    if (refused === maxStreamsPerConnection + 1) onAbuse(connection);
  }

  return {
    open(connection = {}, response) {
      const onConnection = openByConnection.get(connection) ?? 0;
      if (onConnection >= maxStreamsPerConnection) {
        countRefusal(connection);
        const message = `the connection has ${maxStreamsPerConnection} open streams, which is the limit`;
        return tooManyStreamsError(message, "maxStreamsPerConnection");
      }
      if (open >= maxStreams) {
        const message = `the server has ${maxStreams} open streams, which is the limit`;
        return tooManyStreamsError(message, "maxStreams");
      }
      open += 1;
      openByConnection.set(connection, onConnection + 1);
      response.once("close", () => {
        open -= 1;
        openByConnection.set(connection, (openByConnection.get(connection) as number) - 1);
      });
      return undefined;
    },
  };
}
