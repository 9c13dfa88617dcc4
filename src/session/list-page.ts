import type { Instant } from "./clock.ts";

/** A position in a list that is sorted by creation time, newest first. */
export interface ListPosition<Id extends string> {
  readonly createdAt: Instant;
  readonly id: Id;
}

export interface ListPage<Item> {
  /** 0 if the page is empty. */
  readonly now: Instant;
  /** At most `limit` items. */
  readonly items: readonly Item[];
  /** Whether there is a next page. */
  readonly more: boolean;
}
