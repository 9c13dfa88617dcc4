/** Header fields, and which of them HTTP/2 permits (RFC 9113, sections 8.2 and 8.3). */

/** What a field is to a request. Each but `plain` may be there only once. */
export const FieldKind = {
  plain: 0,
  /** Not permitted in any request. */
  malformed: 1,
  method: 2,
  scheme: 3,
  path: 4,
  authority: 5,
  host: 6,
  contentLength: 7,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

export function isPseudo(kind: FieldKind): boolean {
  return kind >= FieldKind.method && kind <= FieldKind.authority;
}

/** What each field takes in a list or table in addition to its name and value (RFC 7541, 4.1). */
export const FIELD_OVERHEAD = 32;

/** A field as it was received. Tables and lists of headers share it. */
export class HeaderField {
  readonly name: string;
  readonly value: string;
  /** In octets, as tables and SETTINGS_MAX_HEADER_LIST_SIZE count it. */
  readonly size: number;
  #kind: FieldKind | undefined;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + FIELD_OVERHEAD;
  }

  /** Found at the first call: a field of a table is examined once for all its requests. */
  get kind(): FieldKind {
    this.#kind ??= kindOf(this.name, this.value);
    return this.#kind;
  }
}

/** What a field is if its value matches. Otherwise it is malformed. */
type Rule = readonly [kind: FieldKind, pattern: RegExp];

/** The fields for which HTTP/2 has rules. Other names with a colon are malformed. */
const rules = new Map<string, Rule>([
  // RFC 9110, section 9.1: a token.
  [":method", [FieldKind.method, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/]],
  // RFC 3986, section 3.1.
  [":scheme", [FieldKind.scheme, /^[A-Za-z][A-Za-z0-9+\-.]*$/]],
  [":path", [FieldKind.path, /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/]],
  // Clients also send lists of addresses, and paths of Unix sockets. RFC 9113, section 8.3.1, does not
  // permit a user before an @.
  [":authority", [FieldKind.authority, /^[\x21-\x3f\x41-\x7e]+$/]],
  ["host", [FieldKind.host, /^[\x21-\x7e]*$/]],
  // As many digits as a number represents exactly.
  ["content-length", [FieldKind.contentLength, /^[0-9]{1,15}$/]],
  ["te", [FieldKind.plain, /^trailers$/i]],
  // RFC 9113, section 8.2.2.
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
    (name): [string, Rule] => [name, [FieldKind.malformed, /^/]],
  ),
]);

/** RFC 9113, section 8.2.1: a token without upper case. */
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** RFC 9110, section 5.5: no control character but the tab, and no space at either end. */
const valuePattern = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** Whether HTTP/2 permits the name in a message. False for pseudo-headers. */
export function isPermittedName(name: string): boolean {
  return namePattern.test(name) && rules.get(name)?.[0] !== FieldKind.malformed;
}

export function isPermittedValue(value: string): boolean {
  return valuePattern.test(value);
}

function kindOf(name: string, value: string): FieldKind {
  const rule = rules.get(name);
  if (rule !== undefined) return rule[1].test(value) ? rule[0] : FieldKind.malformed;
  return namePattern.test(name) && isPermittedValue(value) ? FieldKind.plain : FieldKind.malformed;
}
