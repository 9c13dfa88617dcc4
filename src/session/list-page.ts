import type { Instant } from "./clock.ts";

/** A place in a list that is sorted by creation time, newest first. */
export interface ListPosition<Id extends string> {
  readonly createdAt: Instant;
  readonly id: Id;
}

export interface ListPage<Item> {
  /** 0 on an empty page. */
  readonly now: Instant;
  /** At most `limit` items. */
  readonly items: readonly Item[];
  /** Whether there are items after the last of these. */
  readonly more: boolean;
}
