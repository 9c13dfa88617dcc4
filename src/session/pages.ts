import { createHash } from "node:crypto";
import type { Instant } from "./clock.ts";
import { invalidRequest } from "./errors.ts";
import type { ListPage, ListPosition } from "./list-page.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200;
/** Ours have less than half of this; a longer one is not worth decoding. */
const MAX_TOKEN_CHARACTERS = 512;

export function pageSize(requested: number): number {
  if (requested === 0) return DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(requested) || requested < 0 || requested > MAX_PAGE_SIZE) {
    throw invalidRequest(
      "page_size",
      `must be from 1 to ${MAX_PAGE_SIZE}, or 0 for ${DEFAULT_PAGE_SIZE}`,
    );
  }
  return requested;
}

/**
 * The tokens of one list: where the next page begins, bound to what is listed, so that a token of
 * one request is refused in another. It is not secret and not signed: a forged one can only begin
 * elsewhere in the same list.
 */
export class PageTokens {
  readonly #scope: string;

  /** `scope` is everything that the list depends on, its name included. */
  constructor(...scope: readonly (string | boolean)[]) {
    this.#scope = createHash("sha256")
      .update(JSON.stringify(scope))
      .digest("base64url")
      .slice(0, 22);
  }

  encode(...position: readonly string[]): string {
    return Buffer.from(JSON.stringify([this.#scope, ...position])).toString("base64url");
  }

  /** The position, or undefined for an empty token: the first page. */
  decode(token: string): readonly string[] | undefined {
    if (token === "") return undefined;
    if (token.length <= MAX_TOKEN_CHARACTERS) {
      const bytes = Buffer.from(token, "base64url");
      const [scope, ...position] = parseStrings(bytes.toString());
      // Buffer.from skips what is not base64url, a NUL for example; encoding back does not.
      if (scope === this.#scope && bytes.toString("base64url") === token) return position;
    }
    throw invalidPageToken();
  }
}

export function invalidPageToken(): Error {
  return invalidRequest("page_token", "must be next_page_token of the same request's page before");
}

function parseStrings(json: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : [];
  } catch {
    return [];
  }
}

/** The place in a list that a decoded token names. */
export function listPosition<Id extends string>(
  position: readonly string[] | undefined,
  isId: (text: string) => text is Id,
): ListPosition<Id> | undefined {
  if (position === undefined) return undefined;
  const [createdAt = "", id = ""] = position;
  // 14 digits of milliseconds are within what a timestamp of the database can hold.
  if (!/^\d{1,14}$/.test(createdAt) || !isId(id)) throw invalidPageToken();
  return { createdAt: Number(createdAt), id };
}

/** The token of the page that follows; empty if there is none. */
export function nextPageToken(
  tokens: PageTokens,
  page: ListPage<{ readonly createdAt: Instant; readonly id: string }>,
): string {
  const last = page.items.at(-1);
  return page.more && last ? tokens.encode(String(last.createdAt), last.id) : "";
}
