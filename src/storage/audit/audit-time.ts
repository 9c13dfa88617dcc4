import type { CallContext } from "../../session/call-context.ts";
import type { Instant } from "../../session/clock.ts";
import { management } from "../pg/connection-permits.ts";
import type { Database } from "../pg/database.ts";
import { instant, instantOf } from "../pg/instants.ts";
import type { Statement } from "../pg/prepared-statements.ts";
import { NOW } from "../pg/sql.ts";

/**
 * What is between the time of an event, which is when its statement began, and the moment when it got its
 * id, besides the longest time of a statement: a clock that was set back.
 */
const CLOCK_SLACK_MS = 300_000;
/**
 * How long beyond the statement timeout a statement may still give ids to events: until its cancellation has
 * arrived. Also more than what passes between an event's id and the id of its transaction, by which OPEN_CHANGES
 * knows a change.
 */
const SETTLING_MS = 5000;
/**
 * The most statements of a transaction from the one that gives the first event its id to the end: a Create
 * within a session limit, the end of the oldest sessions, COMMIT.
 */
const STATEMENTS_FROM_FIRST_ID = 3;

const PROBES = 16;
/** 17 to the power of 8 is more than there will be events. */
const MAX_STATEMENTS = 8;
/** A range of so many ids is read as it is. */
const MAX_RANGE = 100n;

const ID_RANGE = {
  summary: "SELECT audit_events",
  text: "SELECT min(id) AS lowest, max(id) AS highest FROM audit_events",
};

const PROBE = {
  summary: "SELECT audit_events",
  text: `
    SELECT probe, (
      SELECT occurred_at < $2 FROM audit_events WHERE id >= probe ORDER BY id LIMIT 1
    ) AS is_before
    FROM unnest($1::bigint[]) AS probe ORDER BY probe`,
};

/**
 * Also what waits for a lock, which may be a change without an id: if its replica was killed, nobody cancels it
 * after the statement timeout.
 */
const OPEN_CHANGES = {
  summary: "SELECT pg_stat_activity",
  text: `
    SELECT ${NOW} AS now, min(xact_start) AS earliest,
      COALESCE(bool_or(xact_start IS NULL), false) AS is_hidden
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND (backend_xid IS NOT NULL OR wait_event_type = 'Lock')`,
};

/**
 * How far the order of ids may differ from that of times: of two events, the one with the larger id is at
 * most so much older.
 */
export function idSlackMs({ options }: Database): number {
  return CLOCK_SLACK_MS + options.statementTimeoutMs;
}

/**
 * Two ids between which the events pass this time: those with ids below `from` are all from before it, and
 * those from `to` on are all at or after it, both give or take `idSlackMs`. Found by bisection of the primary
 * key, with 16 looks at the table in each statement: there is no index of times.
 */
export async function idsAround(
  database: Database,
  time: Instant,
  context: CallContext,
): Promise<{ readonly from: bigint; readonly to: bigint }> {
  const run = (statement: Statement, values: readonly unknown[]) =>
    database.query(statement, values, context.signal, management(context));
  const [range] = await run(ID_RANGE, []);
  let from = BigInt((range?.lowest as string | null) ?? 0);
  let to = BigInt((range?.highest as string | null) ?? 0) + 1n;
  for (let count = 0; count < MAX_STATEMENTS && to - from > MAX_RANGE; count += 1) {
    const width = to - from;
    const probes = Array.from(
      { length: PROBES },
      (_, index) => from + (width * BigInt(index + 1)) / BigInt(PROBES + 1),
    );
    const rows = await run(PROBE, [probes.map(String), instant.to(time)]);
    // NULL, where there is no event, counts as after it.
    const last = rows.findLastIndex(({ is_before }) => is_before === true);
    from = BigInt((rows[last]?.probe as string | undefined) ?? from);
    to = BigInt((rows[last + 1]?.probe as string | undefined) ?? to);
  }
  return { from, to };
}

/**
 * The time before which events can be read in the order of their ids without missing one. An event has its id
 * before it is committed, so one with a smaller id may appear later. To be asked for before the events are read.
 *
 * Every event that appears later got its id after `firstId`. One whose statement began longer ago than a
 * statement may take, which may have waited for a lock, had its id before that, thus a smaller one. This goes by
 * the statement timeout of this process, which the others must not exceed.
 */
export async function settledUntil(database: Database, context: CallContext): Promise<Instant> {
  const { statementTimeoutMs } = database.options;
  const [row] = await database.query(OPEN_CHANGES, [], context.signal, management(context));
  const now = instantOf(row?.now);
  const earliest = row?.earliest === null ? now : instantOf(row?.earliest);
  // The server tells a role without pg_read_all_stats the times of its own transactions only.
  const hidden = row?.is_hidden ? now - STATEMENTS_FROM_FIRST_ID * statementTimeoutMs : now;
  const firstId = Math.min(now, earliest, hidden);
  return firstId - statementTimeoutMs - SETTLING_MS;
}
