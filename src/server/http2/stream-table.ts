import { MAX_STREAM_ID } from "./frames.ts";
import type { Stream } from "./stream.ts";

/** How many streams are remembered whose reset the client may not have seen when it sends. */
export const MAX_REMEMBERED_RESETS = 256;

/** The streams of a connection and their states (RFC 9113, section 5.1). */
export class StreamTable {
  /** When windows grow, the first in it sends first. */
  readonly open = new Map<number, Stream>();
  /** The last that the client has opened. */
  lastId = 0;
  /** The last that is served: that of the last GOAWAY. */
  lastServedId = MAX_STREAM_ID;
  #recentResets: Set<number> | undefined = undefined;

  /** Not opened yet, or a stream that only a server could open. */
  isIdle(id: number): boolean {
    return id > this.lastId || (id & 1) === 0;
  }

  /** Whether frames on a closed stream are no fault: they were sent before a reset or GOAWAY arrived. */
  isLate(id: number): boolean {
    return id > this.lastServedId || this.#recentResets?.has(id) === true;
  }

  close(stream: Stream): void {
    stream.closed = true;
    this.open.delete(stream.id);
  }

  /** So that streams share the window of the connection. */
  moveToEnd(stream: Stream): void {
    this.open.delete(stream.id);
    this.open.set(stream.id, stream);
  }

  rememberReset(id: number): void {
    this.#recentResets ??= new Set();
    this.#recentResets.add(id);
    if (this.#recentResets.size > MAX_REMEMBERED_RESETS) {
      this.#recentResets.delete(this.#recentResets.values().next().value as number);
    }
  }

  /** The client has ended the stream: nothing of it is on the way any more. */
  forgetReset(id: number): void {
    this.#recentResets?.delete(id);
  }
}
