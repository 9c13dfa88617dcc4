import { Code, ConnectError } from "@connectrpc/connect";
import { prefixBytes } from "./envelope-encoder.ts";

const compressedFlag = 1;

const minReservedBytes = 1024;

/** Whether these bytes are one uncompressed message with its prefix, and no longer than allowed. */
export function isWholeMessage(
  buffer: Buffer,
  start: number,
  end: number,
  maxMessageBytes: number,
): boolean {
  const length = end - start;
  return (
    length >= prefixBytes &&
    ((buffer[start] as number) & compressedFlag) === 0 &&
    length === prefixBytes + buffer.readUInt32BE(start + 1) &&
    length - prefixBytes <= maxMessageBytes
  );
}

/** The message of a unary call that comes in parts, or that is not a single uncompressed one. */
export class MessageParts {
  readonly #maxMessageBytes: number;
  /** The bytes received, and once the prefix is complete room for more of `#expected`. */
  #buffer: Buffer = Buffer.alloc(0);
  /** How many bytes of `#buffer` have been received. */
  #received = 0;
  /** Bytes of prefix and message, once the prefix is complete; 0 if the fallback has to serve. */
  #expected: number | undefined;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Adds a copy of a part. Returns all bytes received so far if the fallback has to serve the call:
   * the message is compressed or too long, or there is more than one. Nothing must be added then.
   */
  add(part: Buffer): Buffer | undefined {
    return this.#expected === undefined ? this.#readPrefix(part) : this.#readMessage(part);
  }

  /**
   * Returns the message without its prefix, when the client has sent all.
   *
   * @throws {ConnectError} there is no message, or only a part of it
   */
  end(): Buffer {
    // Connect, too, treats a prefix without its message as no message at all.
    const isOnlyPrefix = this.#received === prefixBytes && this.#expected !== prefixBytes;
    if (this.#received === 0 || isOnlyPrefix) {
      const message = "protocol error: missing input message for unary method";
      throw new ConnectError(message, Code.Unimplemented);
    }
    if (this.#received !== this.#expected) {
      throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
    }
    return this.#buffer.subarray(prefixBytes);
  }

  #readPrefix(part: Buffer): Buffer | undefined {
    const received = Buffer.concat([this.#buffer, part]);
    this.#buffer = received;
    this.#received = received.length;
    if (received.length < prefixBytes) return undefined;
    const length = received.readUInt32BE(1);
    const compressed = ((received[0] as number) & compressedFlag) !== 0;
    const tooLong = length > this.#maxMessageBytes;
    this.#expected = compressed || tooLong ? 0 : prefixBytes + length;
    if (received.length > this.#expected) return received;
    if (received.length < this.#expected) this.#reserve(received.length, this.#expected);
    return undefined;
  }

  #readMessage(part: Buffer): Buffer | undefined {
    const expected = this.#expected as number;
    const received = this.#received + part.length;
    if (received > expected) {
      return Buffer.concat([this.#buffer.subarray(0, this.#received), part]);
    }
    if (received > this.#buffer.length) this.#reserve(received, expected);
    part.copy(this.#buffer, this.#received);
    this.#received = received;
    return undefined;
  }

  /**
   * Makes room for twice the bytes, but not for more than the message has. The client decides how many
   * parts it sends, and a length that it only announces must not cost memory.
   */
  #reserve(bytes: number, expected: number): void {
    const size = Math.max(2 * bytes, minReservedBytes);
    const larger = Buffer.allocUnsafe(Math.min(size, expected));
    this.#buffer.copy(larger, 0, 0, this.#received);
    this.#buffer = larger;
  }
}
