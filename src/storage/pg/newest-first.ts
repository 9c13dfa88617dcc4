import type { ObjectLiteral, SelectQueryBuilder } from "typeorm";
import type { Instant } from "../../session/clock.ts";
import type { ListPage, ListPosition } from "../../session/list-page.ts";
import type { Row } from "./database.ts";
import { instantOf } from "./instants.ts";
import { NOW } from "./sql.ts";

interface Listed extends ObjectLiteral {
  readonly id: string;
  readonly createdAt: Instant;
}

/** Completes a query to one page of a list, sorted by creation time, newest first. */
export async function newestFirst<Item extends Listed>(
  query: SelectQueryBuilder<Item>,
  after: ListPosition<string> | undefined,
  limit: number,
): Promise<ListPage<Item>> {
  const { alias } = query;
  query
    .addSelect(NOW, "now")
    .orderBy({ [`${alias}.createdAt`]: "DESC", [`${alias}.id`]: "DESC" })
    .limit(limit + 1);
  if (after !== undefined) {
    query.andWhere(`(${alias}.created_at, ${alias}.id) < (:createdAt, :id)`, {
      createdAt: new Date(after.createdAt),
      id: after.id,
    });
  }
  const { entities, raw } = await query.getRawAndEntities<Row>();
  return {
    now: raw[0] === undefined ? 0 : instantOf(raw[0].now),
    items: entities.slice(0, limit),
    more: entities.length > limit,
  };
}
