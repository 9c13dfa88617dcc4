import { Bucket } from "./bucket.ts";

/** A stream that is reset younger than this may be a part of a rapid-reset attack (CVE-2023-44487). */
const earlyMs = 10;

/**
 * A call that is reset when at least this part of its deadline has passed was given up for that. The
 * server sees less of it than the client.
 */
const deadlinePart = 0.5;

/** A deadline that no honest client has: it would give up every call. */
const shortestDeadlineMs = 5;

/** How many connections' worth of early resets one peer has: reconnecting must not help an attacker. */
const connectionsPerPeer = 4;

/** How many peers are remembered: those whose last early reset is the latest. */
const maxPeers = 10_000;

/**
 * Limits streams that are reset as soon as they are opened, which cost the server a call each and their
 * client nothing, and do not count as concurrent. A connection may reset as many at once as it may have
 * open, and then a tenth of that a second; a peer four times as many.
 *
 * A client that gives up calls which take too long is not limited: its resets come late, or with the
 * call's deadline.
 */
export class ResetLimiter {
  readonly #maxConcurrentStreams: number;
  readonly #now: () => number;
  /** The one whose last early reset is the longest ago is the first. */
  readonly #peers = new Map<string, Bucket>();

  /** @param now returns milliseconds and never goes back */
  constructor(maxConcurrentStreams: number, now = () => performance.now()) {
    this.#maxConcurrentStreams = maxConcurrentStreams;
    this.#now = now;
  }

  connection(peer: string): ConnectionResets {
    return new ConnectionResets(this, peer);
  }

  now(): number {
    return this.#now();
  }

  /** The early resets that all connections of the peer may have together. */
  peerBucket(peer: string): Bucket {
    const bucket = this.#peers.get(peer) ?? this.bucket(connectionsPerPeer);
    this.#peers.delete(peer);
    this.#peers.set(peer, bucket);
    if (this.#peers.size > maxPeers) this.#peers.delete(this.#peers.keys().next().value as string);
    return bucket;
  }

  /** As many early resets as so many connections may have. */
  bucket(connections: number): Bucket {
    const capacity = connections * this.#maxConcurrentStreams;
    return new Bucket(capacity, capacity / 10, this.#now());
  }
}

/** The resets of one connection. */
export class ConnectionResets {
  readonly #limiter: ResetLimiter;
  readonly #peer: string;
  #bucket: Bucket | undefined;

  constructor(limiter: ResetLimiter, peer: string) {
    this.#limiter = limiter;
    this.#peer = peer;
  }

  /**
   * Takes note of a stream that was reset. False: the connection has to be closed.
   *
   * @param ageMs since its headers arrived
   * @param deadlineMs of its call; undefined if it has none
   */
  allow(ageMs: number, deadlineMs = Number.POSITIVE_INFINITY): boolean {
    if (ageMs >= earlyMs || ageMs >= deadlinePart * Math.max(deadlineMs, shortestDeadlineMs)) {
      return true;
    }
    this.#bucket ??= this.#limiter.bucket(1);
    const now = this.#limiter.now();
    const ofPeer = this.#limiter.peerBucket(this.#peer).take(now);
    return this.#bucket.take(now) && ofPeer;
  }
}
