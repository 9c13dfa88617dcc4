import type { Instant } from "../../session/clock.ts";
import type { SessionId } from "../../session/ids.ts";
import type { SessionFilter } from "../../session/session-filter.ts";
import type { FoundSessions, SearchOptions } from "../../session/session-store.ts";
import type { Row } from "../pg/database.ts";
import { instant, instantOf } from "../pg/instants.ts";
import type { Statement } from "../pg/prepared-statements.ts";
import { NOW } from "../pg/sql.ts";
import { SESSION_COLUMNS, sessionOf } from "./session-columns.ts";
import { live } from "./session-conditions.ts";

/** How many rows one statement reads at most. */
const MAX_ROWS = 5000;
const TIME_DIGITS = 12;
const RANDOM_DIGITS = 32;
/**
 * Ids have the clock of the replica that made them, and `created_at` that of the database. A replica whose
 * clock is further behind could serve nobody: its tokens and certificates would not be valid.
 */
const MAX_CLOCK_DIFFERENCE_MS = 86_400_000;

/**
 * The statement for one part of a search, with its values.
 *
 * It walks down the primary key, which is nearly the order of creation, and filters what it reads: there is
 * no index for any of the conditions, because each would cost every Create and every row for a call that
 * people make by hand. The inner LIMIT also keeps the planner from reading the whole table for a condition
 * that selects little.
 */
export function searchStatement(
  filter: SessionFilter,
  { ended, before, limit }: SearchOptions,
): { readonly statement: Statement; readonly values: readonly unknown[] } {
  const values: unknown[] = [];
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`;
  const time = (value: Instant) => parameter(instant.to(value), "timestamptz");
  const { tenants, actorType, appType, network, userAgentContains, created, seen } = filter;

  const range = ["true"];
  if (before !== undefined) range.push(`id < ${parameter(before, "text")}`);
  if (created.since !== undefined) {
    range.push(`id >= ${parameter(lowestIdAt(created.since - MAX_CLOCK_DIFFERENCE_MS), "text")}`);
  }

  const selected = ["true"];
  if (tenants !== undefined) selected.push(`tenant_id = ANY (${parameter(tenants, "text[]")})`);
  if (actorType !== "") selected.push(`actor_type = ${parameter(actorType, "text")}`);
  if (appType !== "") selected.push(`app_type = ${parameter(appType, "text")}`);
  if (network !== "") {
    selected.push(`nullif(ip_address, '')::inet <<= ${parameter(network, "inet")}`);
  }
  if (userAgentContains !== "") {
    const part = parameter(userAgentContains, "text");
    selected.push(`strpos(lower(user_agent), lower(${part})) > 0`);
  }
  for (const [column, { since, before: end }] of [
    ["created_at", created],
    ["last_seen_at", seen],
  ] as const) {
    if (since !== undefined) selected.push(`${column} >= ${time(since)}`);
    if (end !== undefined) selected.push(`${column} < ${time(end)}`);
  }
  if (ended === "none") selected.push(live("page"));
  else if (ended !== "all") {
    const since = time(ended.rotatedSince);
    selected.push(`(${live("page")} OR revoke_reason = 'rotated' AND revoked_at >= ${since})`);
  }

  const rows = `FROM sessions WHERE ${range.join(" AND ")} ORDER BY id DESC`;
  const max = parameter(limit, "integer");
  const text = `
    WITH found AS MATERIALIZED (
      SELECT * FROM (SELECT ${SESSION_COLUMNS} ${rows} LIMIT ${MAX_ROWS}) AS page
      WHERE ${selected.join(" AND ")}
      ORDER BY id DESC LIMIT ${max}
    )
    SELECT found.*, ${NOW} AS now, CASE WHEN (SELECT count(*) FROM found) < ${max}
      THEN (SELECT id ${rows} OFFSET ${MAX_ROWS - 1} LIMIT 1) END AS last_read
    FROM (SELECT) AS always LEFT JOIN found ON true
    ORDER BY found.id DESC`;
  return { statement: { summary: "SELECT sessions", text }, values };
}

/** What the rows of the statement say, of which there is at least one. */
export function foundSessions(
  rows: readonly Row[],
  { before, limit }: Pick<SearchOptions, "before" | "limit">,
): FoundSessions {
  const [first] = rows as readonly [Row];
  const now = instantOf(first.now);
  const items = rows.filter(({ id }) => id !== null).map(sessionOf);
  const lastFound = items.at(-1)?.id;
  if (items.length === limit) return { now, items, searchedTo: lastFound };
  const lastRead = first.last_read as SessionId | null;
  if (lastRead === null) return { now, items, searchedTo: undefined };
  const end = endOfTime(lastRead);
  // All that have been read can be of one millisecond.
  const reached = before === undefined || end < before ? end : lastRead;
  const searchedTo = lastFound !== undefined && lastFound < reached ? lastFound : reached;
  return { now, items, searchedTo };
}

/**
 * The highest id of the same millisecond. A position tells it instead of the last row's own id, which may
 * be that of a session that the caller must not know; what is left of the millisecond is read again.
 */
function endOfTime(id: SessionId): SessionId {
  return `${id.slice(0, "ses-".length + TIME_DIGITS)}${"f".repeat(RANDOM_DIGITS)}` as SessionId;
}

function lowestIdAt(time: Instant): string {
  const digits = Math.max(time, 0).toString(16).padStart(TIME_DIGITS, "0");
  return `ses-${digits}${"0".repeat(RANDOM_DIGITS)}`;
}
