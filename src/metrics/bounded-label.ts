import { OTHER } from "./families.ts";

/** The first values of a label are kept. All further ones become one, so that they cannot fill the memory. */
export class BoundedLabel {
  readonly #maxValues: number;
  readonly #values = new Set<string>();

  constructor(maxValues: number) {
    this.#maxValues = maxValues;
  }

  of(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= this.#maxValues) return OTHER;
    this.#values.add(value);
    return value;
  }
}
