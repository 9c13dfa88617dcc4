import { FloodError } from "./frames.ts";

/**
 * Frames that bring nothing forward (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown ones,
 * those of closed and of refused streams): so many at once, and so many a second. Progress earns more,
 * because busy clients need more of them.
 */
export const FRAME_BURST = 1000;
export const FRAMES_PER_SECOND = 100;

/** What progress earns: a request, and all that a stream had to send. A KiB of body earns one. */
export const EARNED_BY_REQUEST = 4;
export const EARNED_BY_SENDING = 1;

/** A header list over the limits can take a hundred times the work of its octets. */
export const OVERSIZED_LIST_COST = 100;

/**
 * Limits what a client may make the server do for nothing. To exceed a limit is a connection error, and so
 * it ends the connection in the middle of what has arrived.
 */
export class FloodLimits {
  readonly #maxResets: number;
  #frames = FRAME_BURST;
  #resets: number;
  #at = performance.now();

  /** @param maxResets by the client (CVE-2023-44487) or for its fault (CVE-2025-8671), a second and at once */
  constructor(maxResets: number) {
    this.#maxResets = maxResets;
    this.#resets = maxResets;
  }

  /** @throws {FloodError} too many frames; `what` says of which kind */
  spend(frames: number, what: string): void {
    this.#frames -= frames;
    if (this.#frames < 0) throw new FloodError("frames", `too many ${what} without progress`);
  }

  /** @throws {FloodError} too many resets */
  spendReset(): void {
    this.#resets -= 1;
    if (this.#resets < 0) throw new FloodError("resets", "too many streams are reset");
  }

  earn(frames: number): void {
    this.#frames = Math.min(FRAME_BURST, this.#frames + frames);
  }

  /** For a body in either direction. */
  earnByBody(bytes: number): void {
    this.earn(bytes / 1024);
  }

  /** What time gives back. `now` is of performance.now(). */
  elapse(now: number): void {
    const seconds = (now - this.#at) / 1000;
    this.#at = now;
    this.earn(seconds * FRAMES_PER_SECOND);
    this.#resets = Math.min(this.#maxResets, this.#resets + seconds * this.#maxResets);
  }
}
