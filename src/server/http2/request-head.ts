/** RFC 9113, sections 8.1 to 8.3: which header fields make a request, or its trailers. */
import { FieldKind, type HeaderField, isPseudo } from "./header-field.ts";

/** The pseudo-headers of a request (section 8.3.1), and what frames its body. */
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

/** Whether the fields may end a message: they are well-formed, without pseudo-headers (section 8.1). */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(({ kind }) => kind !== FieldKind.malformed && !isPseudo(kind));
}

/** Undefined if the headers of the request are malformed. */
export function findRequestHead(fields: readonly HeaderField[]): RequestHead | undefined {
  const values: (string | undefined)[] = []; // By kind.
  let isRegular = false;
  for (const { kind, value } of fields) {
    // Section 8.3: pseudo-headers come first.
    if (kind === FieldKind.malformed || (isRegular && isPseudo(kind))) return undefined;
    isRegular ||= !isPseudo(kind);
    if (kind === FieldKind.plain) continue;
    if (values[kind] !== undefined) return undefined;
    values[kind] = value;
  }
  const method = values[FieldKind.method];
  const scheme = values[FieldKind.scheme];
  const path = values[FieldKind.path];
  const connectTo = values[FieldKind.authority];
  const authority = connectTo ?? values[FieldKind.host];
  const length = values[FieldKind.contentLength];
  const contentLength = length === undefined ? undefined : Number(length);

  if (method === "CONNECT") {
    // Section 8.5.
    if (scheme !== undefined || path !== undefined || connectTo === undefined) return undefined;
    return { method, scheme: "", path: "", authority: connectTo, contentLength };
  }
  if (method === undefined || scheme === undefined || path === undefined) return undefined;
  if (path === "*" && method !== "OPTIONS") return undefined;
  if (authority === undefined || authority === "") return undefined;
  return { method, scheme, path, authority, contentLength };
}
