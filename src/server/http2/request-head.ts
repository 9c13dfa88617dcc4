/** RFC 9113, sections 8.1 to 8.3: which lists of headers make a request, or its trailers. */
import { FieldKind, isPseudo } from "./header-field.ts";
import type { HeaderList, RequestHead } from "./header-list.ts";

export type { RequestHead } from "./header-list.ts";

/** The head of a request; undefined if its headers are malformed. Found once for each list. */
export function requestHead(list: HeaderList): RequestHead | undefined {
  list.head ??= findHead(list) ?? "malformed";
  return list.head === "malformed" ? undefined : list.head;
}

/** Whether the list may end a message: it is well-formed and has no pseudo-headers (section 8.1). */
export function areTrailers(list: HeaderList): boolean {
  return list.fields.every(({ kind }) => kind !== FieldKind.malformed && !isPseudo(kind));
}

function findHead(list: HeaderList): RequestHead | undefined {
  /** By kind. */
  const values: (string | undefined)[] = [];
  let isRegular = false;
  for (const { kind, value } of list.fields) {
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
  const authority = values[FieldKind.authority] ?? values[FieldKind.host];
  const length = values[FieldKind.contentLength];
  const contentLength = length === undefined ? undefined : Number(length);

  if (method === "CONNECT") {
    // Section 8.5.
    if (scheme !== undefined || path !== undefined) return undefined;
    const connectTo = values[FieldKind.authority];
    if (connectTo === undefined) return undefined;
    return { method, scheme: "", path: "", authority: connectTo, contentLength };
  }
  if (method === undefined || scheme === undefined || path === undefined) return undefined;
  if (path === "*" && method !== "OPTIONS") return undefined;
  if (authority === undefined || authority === "") return undefined;
  return { method, scheme, path, authority, contentLength };
}
