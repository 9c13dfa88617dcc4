import type { HeaderField } from "./header-field.ts";

/** The pseudo-headers of a request (RFC 9113, section 8.3.1), and what frames its body. */
export interface RequestHead {
  readonly method: string;
  /** Empty for CONNECT. */
  readonly scheme: string;
  /** With the query. Empty for CONNECT. */
  readonly path: string;
  /** That of `:authority`; without it that of `host`. */
  readonly authority: string;
  /** In octets. Undefined if the request does not say. */
  readonly contentLength: number | undefined;
}

/** A decoded header list. Requests with the same header block share one object: do not change it. */
export class HeaderList {
  readonly fields: readonly HeaderField[];
  /** In octets, as SETTINGS_MAX_HEADER_LIST_SIZE counts it (RFC 9113, section 6.5.2). */
  readonly size: number;
  /** A place for what the user of the engine derives from the list. Undefined at first. */
  meaning: unknown = undefined;
  /** What `requestHead` has found. Undefined before its first call. */
  head: RequestHead | "malformed" | undefined = undefined;
  #raw: readonly string[] | undefined = undefined;

  constructor(fields: readonly HeaderField[], size: number) {
    this.fields = fields;
    this.size = size;
  }

  /**
   * Names and values in turn, in the order received, pseudo-headers included. Each character is
   * one octet.
   */
  get raw(): readonly string[] {
    this.#raw ??= this.fields.flatMap(({ name, value }) => [name, value]);
    return this.#raw;
  }

  /** The value of the first field of this name. Looks at each field: for rare use. */
  get(name: string): string | undefined {
    for (const field of this.fields) if (field.name === name) return field.value;
    return undefined;
  }
}
