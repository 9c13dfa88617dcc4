import type { Instant } from "../../session/clock.ts";
import { parseJson } from "./row-types.ts";

const NULL = -1;
const FIELD_COUNT_BYTES = 2;
const LENGTH_BYTES = 4;
/** 2000-01-01, from which PostgreSQL counts microseconds. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
/** 2^32 microseconds are this many milliseconds and microseconds. */
const HIGH_MS = 4_294_967;
const HIGH_US = 296;
const MAX_HIGH = 0x7fff_ffff;
const MAX_LOW = 0xffff_ffff;

/**
 * The fields of a row in PostgreSQL's binary format, each read once and in order. The caller knows their
 * types from the statement. NULL is null.
 */
export class BinaryRow {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** Begins with the first field of the row that is between `start` and `end`. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start + FIELD_COUNT_BYTES;
    this.#end = end;
  }

  /** Whether the next field is NULL. */
  get isNull(): boolean {
    return this.#int32(this.#at) === NULL;
  }

  text(): string | null {
    const start = this.#next();
    return start === NULL ? null : this.#bytes.toString("utf8", start, this.#at);
  }

  boolean(): boolean | null {
    const start = this.#next();
    return start === NULL ? null : this.#bytes[start] === 1;
  }

  integer(): number | null {
    const start = this.#next();
    return start === NULL ? null : this.#int32(start);
  }

  /** In decimal, as the driver has it. */
  bigint(): string | null {
    const start = this.#next();
    if (start === NULL) return null;
    const high = this.#int32(start);
    const low = this.#int32(start + 4) >>> 0;
    return high === 0 ? `${low}` : `${(BigInt(high) << 32n) + BigInt(low)}`;
  }

  /** Milliseconds since the Unix epoch; smaller fractions are cut off. */
  timestamptz(): Instant | null {
    const start = this.#next();
    if (start === NULL) return null;
    const high = this.#int32(start);
    const low = this.#int32(start + 4) >>> 0;
    if (high === MAX_HIGH && low === MAX_LOW) return Number.POSITIVE_INFINITY;
    if (high === ~MAX_HIGH && low === 0) return Number.NEGATIVE_INFINITY;
    // In parts, since the microseconds may be more than 2^53.
    return POSTGRES_EPOCH_MS + high * HIGH_MS + Math.floor((high * HIGH_US + low) / 1000);
  }

  /** A view: it keeps what was received with it in memory. */
  bytea(): Buffer | null {
    const start = this.#next();
    return start === NULL ? null : this.#bytes.subarray(start, this.#at);
  }

  jsonb(): unknown {
    const start = this.#next();
    // The first byte is the version of the format, of which there is one.
    return start === NULL ? null : parseJson(this.#bytes.toString("utf8", start + 1, this.#at));
  }

  /** Returns where the next field begins, or NULL; the position is its end then. */
  #next(): number {
    const start = this.#at + LENGTH_BYTES;
    const length = this.#int32(this.#at);
    this.#at = length === NULL ? start : start + length;
    if (this.#at > this.#end) throw new RangeError("the row has fewer fields than are read");
    return length === NULL ? NULL : start;
  }

  #int32(at: number): number {
    const bytes = this.#bytes as readonly number[] & Buffer;
    return (
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
    );
  }
}
