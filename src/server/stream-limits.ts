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

/**
 * How many times as many refusals by the limit of its peer a connection may have at once as by its own.
 * Clients behind one address cannot know what the others have open. A gRPC client repeats a refused
 * Watch after 1 s, and then after ever longer times of up to 120 s, so that one with as many Watches as a
 * connection may have needs 5 times.
 */
const peerRefusalsFactor = 10;

/** Counts the open streaming calls: in all, of each peer and on each connection. */
export interface StreamLimits {
  /**
   * Counts a stream until it is closed, or returns the error for one too many. A connection is closed
   * that has more refusals by its own limit than it may have streams at once, and then a tenth of that a
   * second. By the limit of its peer it may have ten times as many at once, and then as many a second as
   * by its own. Refusals by the limit of all clients together have no such effect.
   */
  open(exchange: StreamingExchange): ConnectError | undefined;
  /** How many streams are open. */
  readonly size: number;
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
  const ownRefusals = new WeakMap<object, Bucket>();
  const peerRefusals = new WeakMap<object, Bucket>();

  function countRefusal(
    exchange: StreamingExchange,
    buckets: WeakMap<object, Bucket>,
    capacity: number,
  ): void {
    const { connection } = exchange;
    const refused =
      buckets.get(connection) ?? new Bucket(capacity, maxStreamsPerConnection / 10, now());
    buckets.set(connection, refused);
    if (!refused.take(now())) {
      exchange.closeAbusedConnection("too many streams above the limit");
    }
  }

  function excess(exchange: StreamingExchange): ConnectError | undefined {
    const { connection, peer } = exchange;
    const error = (who: string, limit: keyof Limits, max: number) =>
      tooManyStreamsError(`${who} has ${max} open streams, which is the limit`, limit);
    if (openByConnection.of(connection) >= maxStreamsPerConnection) {
      countRefusal(exchange, ownRefusals, maxStreamsPerConnection);
      return error("the connection", "maxStreamsPerConnection", maxStreamsPerConnection);
    }
    if (openByPeer.of(peer.network) >= maxStreamsPerPeer) {
      countRefusal(exchange, peerRefusals, peerRefusalsFactor * maxStreamsPerConnection);
      return error("the client's address", "maxStreamsPerPeer", maxStreamsPerPeer);
    }
    return open >= maxStreams ? error("the server", "maxStreams", maxStreams) : undefined;
  }

  return {
    get size() {
      return open;
    },
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
