import type { ConnectError } from "@connectrpc/connect";
import { Bucket } from "./bucket.ts";
import type { Exchange } from "./exchange.ts";
import type { TooManyStreamsErrorFactory } from "./request-errors.ts";

/** See `TransportLimits`. */
interface Limits {
  readonly maxStreams: number;
  readonly maxStreamsPerPeer: number;
  readonly maxStreamsPerConnection: number;
}

/** What the limits have to know of an exchange. */
type StreamingExchange = Pick<
  Exchange,
  "connection" | "peer" | "whenClosed" | "closeAbusedConnection"
>;

/** Counts the open streaming calls: in all, of each peer and on each connection. */
export interface StreamLimits {
  /**
   * Counts a stream until it is closed, or returns the error for one too many. A connection that
   * has more refusals at once than it may have streams, and then a tenth of that a second, is closed,
   * unless the limit of all clients together was the reason.
   */
  open(exchange: StreamingExchange): ConnectError | undefined;
}

/** @param now returns milliseconds and never goes back */
export function createStreamLimits(
  { maxStreams, maxStreamsPerPeer, maxStreamsPerConnection }: Limits,
  tooManyStreamsError: TooManyStreamsErrorFactory,
  now = () => performance.now(),
): StreamLimits {
  let open = 0;
  const openByPeer = new Counts<string>();
  const openByConnection = new Counts<object>();
  const refusedByConnection = new WeakMap<object, Bucket>();

  function countRefusal(exchange: StreamingExchange): void {
    const { connection } = exchange;
    const refused =
      refusedByConnection.get(connection) ??
      new Bucket(maxStreamsPerConnection, maxStreamsPerConnection / 10, now());
    refusedByConnection.set(connection, refused);
    if (!refused.take(now())) {
      exchange.closeAbusedConnection("too many streams above the limit");
    }
  }

  function excess(exchange: StreamingExchange): ConnectError | undefined {
    const { connection, peer } = exchange;
    const error = (who: string, limit: keyof Limits, max: number) =>
      tooManyStreamsError(`${who} has ${max} open streams, which is the limit`, limit);
    if (openByConnection.of(connection) >= maxStreamsPerConnection) {
      countRefusal(exchange);
      return error("the connection", "maxStreamsPerConnection", maxStreamsPerConnection);
    }
    if (openByPeer.of(peer.network) >= maxStreamsPerPeer) {
      countRefusal(exchange);
      return error("the client's address", "maxStreamsPerPeer", maxStreamsPerPeer);
    }
    return open >= maxStreams ? error("the server", "maxStreams", maxStreams) : undefined;
  }

  return {
    open(exchange) {
      const refusal = excess(exchange);
      if (refusal !== undefined) return refusal;
      const { connection, peer } = exchange;
      const count = (change: 1 | -1) => {
        open += change;
        openByPeer.add(peer.network, change);
        openByConnection.add(connection, change);
      };
      count(1);
      exchange.whenClosed(() => count(-1));
      return undefined;
    },
  };
}

/** Numbers by key. Keys whose number is 0 take no memory. */
class Counts<Key> {
  readonly #counts = new Map<Key, number>();

  of(key: Key): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: Key, change: number): void {
    const count = this.of(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
