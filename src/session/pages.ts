import { createHash } from "node:crypto";
import type { Instant } from "./clock.ts";
import type { ListPage, ListPosition } from "./list-page.ts";
import type { Violations } from "./violations.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200;
/** Valid tokens have less than half of this length. */
const MAX_TOKEN_CHARACTERS = 512;

/** The number of items on a page. 0 asks for the default. */
export function pageSize(requested: number, violations: Violations): number {
  if (requested === 0) return DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(requested) || requested < 0 || requested > MAX_PAGE_SIZE) {
    violations.add(
      "page_size",
      `must be from 1 to ${MAX_PAGE_SIZE}, or 0 for ${DEFAULT_PAGE_SIZE}`,
    );
  }
  return requested;
}

/**
 * Encodes and decodes the page tokens of one list. A token holds the position where the next page
 * begins, and a hash of what is listed, so that it is rejected in the request for another list. It is
 * not secret and not signed: a forged token can only give another position in the same list.
 */
export class PageTokens {
  readonly #scope: string;

  /** @param scope the name of the list and all filters that it depends on */
  constructor(...scope: readonly (string | boolean)[]) {
    this.#scope = createHash("sha256")
      .update(JSON.stringify(scope))
      .digest("base64url")
      .slice(0, 22);
  }

  encode(...position: readonly string[]): string {
    return Buffer.from(JSON.stringify([this.#scope, ...position])).toString("base64url");
  }

  /**
   * The position; undefined for an empty token, which asks for the first page, and for one that is not
   * of this list, which is wrong.
   */
  decode(token: string, violations: Violations): readonly string[] | undefined {
    if (token === "") return undefined;
    if (token.length <= MAX_TOKEN_CHARACTERS) {
      const bytes = Buffer.from(token, "base64url");
      const [scope, ...position] = parseStrings(bytes.toString());
      // Buffer.from ignores characters that are not base64url. Encoding the bytes again shows if it did.
      if (scope === this.#scope && bytes.toString("base64url") === token) return position;
    }
    addInvalidPageToken(violations);
    return undefined;
  }
}

export function addInvalidPageToken(violations: Violations): void {
  violations.add("page_token", "must be next_page_token of the same request's page before");
}

function parseStrings(json: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : [];
  } catch {
    return [];
  }
}

/** The position of a decoded token in a list that is sorted by creation time. */
export function listPosition<Id extends string>(
  position: readonly string[] | undefined,
  isId: (text: string) => text is Id,
  violations: Violations,
): ListPosition<Id> | undefined {
  if (position === undefined) return undefined;
  const [createdAt = "", id = ""] = position;
  // 14 digits of milliseconds fit into a timestamp of the database.
  if (/^\d{1,14}$/.test(createdAt) && isId(id)) return { createdAt: Number(createdAt), id };
  addInvalidPageToken(violations);
  return undefined;
}

/** The token of the next page. Empty if this is the last page. */
export function nextPageToken(
  tokens: PageTokens,
  page: ListPage<{ readonly createdAt: Instant; readonly id: string }>,
): string {
  const last = page.items.at(-1);
  return page.more && last ? tokens.encode(String(last.createdAt), last.id) : "";
}
