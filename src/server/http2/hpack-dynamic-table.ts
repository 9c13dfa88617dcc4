import type { HeaderField } from "./header-field.ts";

const FIRST_CAPACITY = 8;

/**
 * The dynamic table of a decoder (RFC 7541, sections 2.3.2 and 4). Its fields are in a ring, whose
 * length is a power of two. It begins small, as many connections are idle, and holds at most one
 * field for each 32 octets of the table's maximum size.
 */
export class HpackDynamicTable {
  #ring: (HeaderField | undefined)[] = [];
  /** Where the next field goes, modulo the length of the ring. */
  #end = 0;
  #count = 0;
  #size = 0;
  #maxSize: number;

  /** @param maxSize in octets */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** The field that came `back` insertions before the last one; undefined if there is none. */
  get(back: number): HeaderField | undefined {
    if (back >= this.#count) return undefined;
    return this.#ring[(this.#end - 1 - back) & (this.#ring.length - 1)];
  }

  /** Adds a field. One that is larger than the table empties it (section 4.4). */
  insert(field: HeaderField): void {
    this.#evict(this.#maxSize - field.size);
    if (field.size > this.#maxSize) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[this.#end & (this.#ring.length - 1)] = field;
    this.#end = (this.#end + 1) & (this.#ring.length - 1);
    this.#count += 1;
    this.#size += field.size;
  }

  /** @param maxSize in octets */
  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evict(maxSize);
  }

  /** Takes out the oldest fields, until the rest is no larger than `size`. */
  #evict(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const oldest = (this.#end - this.#count) & (this.#ring.length - 1);
      this.#size -= (this.#ring[oldest] as HeaderField).size;
      this.#ring[oldest] = undefined;
      this.#count -= 1;
    }
  }

  #grow(): void {
    const fields = Array.from({ length: this.#count }, (_, age) => this.get(this.#count - 1 - age));
    const free = Math.max(FIRST_CAPACITY, this.#count);
    this.#ring = [...fields, ...new Array<undefined>(free).fill(undefined)];
    this.#end = this.#count;
  }
}
