import type { AuditEvent } from "../../session/audit.ts";
import type { AuditPage, AuditQuery } from "../../session/audit-store.ts";
import type { CallContext } from "../../session/call-context.ts";
import type { Instant } from "../../session/clock.ts";
import { columnsOf, rowMapper } from "../pg/columns.ts";
import { management } from "../pg/connection-permits.ts";
import type { Database } from "../pg/database.ts";
import { instant, instantOf } from "../pg/instants.ts";
import { auditEventEntity } from "./audit-event-entity.ts";
import { idSlackMs, idsAround, settledUntil } from "./audit-time.ts";

/** How many events one statement reads at most, where no index has all conditions. */
const MAX_ROWS = 5000;

const columns = columnsOf(auditEventEntity);
const COLUMNS = columns.map(({ name }) => name).join(", ");
const eventOf = rowMapper<AuditEvent>(columns);

/** The ids between which a page is looked for, both exclusive. */
interface Bounds {
  readonly above: bigint;
  readonly below: bigint | undefined;
}

/** Implements AuditStore.list. */
export async function listAuditEvents(
  database: Database,
  query: AuditQuery,
  context: CallContext,
): Promise<AuditPage> {
  return query.oldestFirst
    ? oldestFirst(database, query, context)
    : newestFirst(database, query, context);
}

async function newestFirst(
  database: Database,
  query: AuditQuery,
  context: CallContext,
): Promise<AuditPage> {
  const { occurred, afterId, position, limit } = query;
  let below = position;
  if (below === undefined && occurred.before !== undefined) {
    const latest = occurred.before + idSlackMs(database);
    below = (await idsAround(database, latest, context)).to;
  }
  const read = await readPage(database, query, { above: afterId, below }, undefined, context);
  const { items, last } = read;
  if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]?.id };
  const earliest = (occurred.since ?? Number.NEGATIVE_INFINITY) - idSlackMs(database);
  const isEnd = last === undefined || last.occurredAt < earliest;
  return { items, next: isEnd ? undefined : last.id };
}

async function oldestFirst(
  database: Database,
  query: AuditQuery,
  context: CallContext,
): Promise<AuditPage> {
  const { occurred, afterId, position, limit } = query;
  let above = position ?? afterId;
  if (position === undefined && occurred.since !== undefined) {
    const earliest = occurred.since - idSlackMs(database);
    const { from } = await idsAround(database, earliest, context);
    if (from - 1n > above) above = from - 1n;
  }
  const settled = await settledUntil(database, context);
  const end = occurred.before ?? Number.POSITIVE_INFINITY;
  const isOver = end <= settled;
  const read = await readPage(
    database,
    query,
    { above, below: undefined },
    isOver ? undefined : settled,
    context,
  );
  const { items, last, settledTo } = read;
  if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]?.id };
  if (!isOver) return { items, next: settledTo ?? above };
  const isEnd = last === undefined || last.occurredAt >= end + idSlackMs(database);
  return { items, next: isEnd ? undefined : last.id };
}

interface ReadPage {
  /** One more than the limit, if there are as many. */
  readonly items: readonly AuditEvent[];
  /** The last row of a page that is full of rows, unless there are more items than the limit. */
  readonly last: { readonly id: bigint; readonly occurredAt: Instant } | undefined;
  /** The last id before the first event that is not settled. Undefined: there is none. */
  readonly settledTo: bigint | undefined;
}

/**
 * One page of rows, in the order of the query.
 *
 * @param settled ends the page before the first event from this time on. Undefined: it does not end.
 */
async function readPage(
  database: Database,
  { tenantId, resourceId, actingActorId, action, occurred, oldestFirst, limit }: AuditQuery,
  { above, below }: Bounds,
  settled: Instant | undefined,
  context: CallContext,
): Promise<ReadPage> {
  const values: unknown[] = [];
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`;
  const time = (value: Instant) => parameter(instant.to(value), "timestamptz");

  const range = [`id > ${parameter(String(above), "bigint")}`];
  if (below !== undefined) range.push(`id < ${parameter(String(below), "bigint")}`);
  const selected = ["NOT is_unsettled"];
  // The indexes begin with the tenant.
  const indexed = tenantId === undefined ? selected : range;
  if (tenantId !== undefined) range.push(`tenant_id = ${parameter(tenantId, "text")}`);
  if (resourceId !== "") indexed.push(`resource_id = ${parameter(resourceId, "text")}`);
  if (actingActorId !== "") indexed.push(`acting_actor_id = ${parameter(actingActorId, "text")}`);
  if (action !== "") selected.push(`action = ${parameter(action, "text")}`);
  if (occurred.since !== undefined) selected.push(`occurred_at >= ${time(occurred.since)}`);
  if (occurred.before !== undefined) selected.push(`occurred_at < ${time(occurred.before)}`);

  const order = oldestFirst ? "ASC" : "DESC";
  const rows = `FROM audit_events WHERE ${range.join(" AND ")} ORDER BY id ${order}`;
  // A running aggregate, so that the rows are read one by one until there are enough.
  const unsettled =
    settled === undefined
      ? "false"
      : `bool_or(occurred_at >= ${time(settled)}) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)`;
  const page = `(
      SELECT ${COLUMNS}, ${unsettled} AS is_unsettled
      FROM (SELECT ${COLUMNS} ${rows} LIMIT ${MAX_ROWS}) AS rows
    ) AS page`;
  const wanted = parameter(limit + 1, "integer");
  const text = `
    WITH found AS MATERIALIZED (
      SELECT * FROM ${page} WHERE ${selected.join(" AND ")} ORDER BY id ${order} LIMIT ${wanted}
    ), tail AS (
      SELECT (count(*) < ${wanted}) AS is_read FROM found
    )
    SELECT found.*, last_row.id AS last_id, last_row.occurred_at AS last_occurred_at,
      CASE WHEN is_read AND ${settled !== undefined}
        THEN (SELECT max(id) FROM ${page} WHERE NOT is_unsettled) END AS settled_to
    FROM tail
    LEFT JOIN (
      SELECT id, occurred_at FROM audit_events
      WHERE (SELECT is_read FROM tail) AND ${range.join(" AND ")}
      ORDER BY id ${order} OFFSET ${MAX_ROWS - 1} LIMIT 1
    ) AS last_row ON true
    LEFT JOIN found ON true
    ORDER BY found.id ${order}`;
  const statement = { summary: "SELECT audit_events", text };
  const found = await database.query(statement, values, context.signal, management(context));
  const [first] = found;
  const id = (value: unknown) => (value === null ? undefined : BigInt(value as string));
  const lastId = id(first?.last_id);
  return {
    items: found.filter((row) => row.id !== null).map(eventOf),
    last:
      lastId === undefined
        ? undefined
        : { id: lastId, occurredAt: instantOf(first?.last_occurred_at) },
    settledTo: id(first?.settled_to),
  };
}
