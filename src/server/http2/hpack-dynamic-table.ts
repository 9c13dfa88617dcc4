import type { HeaderField } from "./header-field.ts";

/**
 * The dynamic table of a decoder (RFC 7541, sections 2.3.2 and 4). It holds at most one field for each
 * 32 octets of its maximum size.
 */
export class HpackDynamicTable {
  /** The oldest come first. Those before `#first` have been evicted. */
  readonly #fields: (HeaderField | undefined)[] = [];
  #first = 0;
  #size = 0;
  #maxSize: number;

  /** @param maxSize in octets */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** The field that came `back` insertions before the last one; undefined if there is none. */
  get(back: number): HeaderField | undefined {
    return this.#fields[this.#fields.length - 1 - back];
  }

  /** Adds a field. One that is larger than the table empties it (section 4.4). */
  insert(field: HeaderField): void {
    this.#evict(this.#maxSize - field.size);
    if (field.size > this.#maxSize) return;
    this.#fields.push(field);
    this.#size += field.size;
  }

  /** @param maxSize in octets */
  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evict(maxSize);
  }

  /** Takes out the oldest fields, until the rest is no larger than `size`. */
  #evict(size: number): void {
    while (this.#size > Math.max(0, size)) {
      this.#size -= this.#fields[this.#first]?.size ?? 0;
      this.#fields[this.#first] = undefined;
      this.#first += 1;
    }
    // Not at each eviction: to move the others takes time.
    if (2 * this.#first <= this.#fields.length) return;
    this.#fields.splice(0, this.#first);
    this.#first = 0;
  }
}
