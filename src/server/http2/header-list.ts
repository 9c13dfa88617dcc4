import type { HeaderField } from "./header-field.ts";
import { findRequestHead, type RequestHead } from "./request-head.ts";

/** A decoded header list. Requests with the same header block share one object: do not change it. */
export class HeaderList {
  readonly fields: readonly HeaderField[];
  /** In octets, as SETTINGS_MAX_HEADER_LIST_SIZE counts it (RFC 9113, section 6.5.2). */
  readonly size: number;
  /** A place for what the user of the engine derives from the list. Undefined at first. */
  meaning: unknown = undefined;
  #head: RequestHead | "malformed" | undefined = undefined;
  #raw: readonly string[] | undefined = undefined;

  constructor(fields: readonly HeaderField[], size: number) {
    this.fields = fields;
    this.size = size;
  }

  /** All names and values in turn, in the order received. Each character is one octet. */
  get raw(): readonly string[] {
    this.#raw ??= this.fields.flatMap(({ name, value }) => [name, value]);
    return this.#raw;
  }

  /** The head of the request; undefined if it is malformed. Found once for each list. */
  get head(): RequestHead | undefined {
    this.#head ??= findRequestHead(this.fields) ?? "malformed";
    return this.#head === "malformed" ? undefined : this.#head;
  }

  /** The value of the first field of this name. Looks at each field: for rare use. */
  get(name: string): string | undefined {
    return this.fields.find((field) => field.name === name)?.value;
  }
}
