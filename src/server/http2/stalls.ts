import type { Duplex } from "node:stream";
import type { Stream } from "./stream.ts";

/** A response has to bring so many octets forward in each time of the stall timeout. */
export const MIN_PROGRESS_BYTES = 1024;

/** Whether the client gives a response no window for too long. To be asked about once a second. */
export function isStalled(stream: Stream, now: number, timeoutMs: number): boolean {
  const { unsentBytes, sent, sentBeforeStall, stalledSince } = stream;
  if (unsentBytes > 0 && stalledSince > 0 && sent - sentBeforeStall < MIN_PROGRESS_BYTES) {
    return now - stalledSince > timeoutMs;
  }
  stream.stalledSince = unsentBytes > 0 ? now : 0;
  stream.sentBeforeStall = sent;
  return false;
}

/** Tells whether a client reads what is written to its socket. */
export class UnreadCheck {
  /** Octets that had been written at `#since`. */
  #written = 0;
  #since = 0;

  /**
   * Whether octets have waited too long. To be asked about once a second.
   *
   * @param written octets that the socket has got so far
   */
  isStalled(socket: Duplex, written: number, now: number, timeoutMs: number): boolean {
    if (written - socket.writableLength < this.#written) return now - this.#since > timeoutMs;
    this.#written = written;
    this.#since = now;
    return false;
  }
}
