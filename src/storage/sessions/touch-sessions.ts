import type { SessionId } from "../../session/ids.ts";
import type { Session } from "../../session/session.ts";
import type { SessionSnapshot } from "../../session/session-store.ts";
import { arrayLiteral } from "../pg/array-literal.ts";
import { type Execute, RETRY_ALONE } from "../pg/batcher.ts";
import type { Query } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
import type { Statement } from "../pg/prepared-statements.ts";
import { itemsFrom, NOW } from "../pg/sql.ts";
import { type Locking, live } from "./session-conditions.ts";

export interface Touch {
  /** As the call has read it. */
  readonly session: Session;
  readonly intervalMs: number;
}

const ITEM = { item: "integer", item_id: "text", interval_ms: "float8", known_etag: "bigint" };

const due = (row: string) =>
  `${row}.last_seen_at <= ${NOW} - interval_ms * interval '1 millisecond' AND ${live(row)}`;

/**
 * Rows that are due for a touch are locked and then evaluated again: a touch that waits for a row
 * lock until after a deadline must not revive the session. Rows that are not due need no lock.
 *
 * It returns one row, with the numbers of the items that it touched and of those that it skipped. Of a
 * session that is live, only the time, the CSRF token and the metadata can have changed since it was read.
 * So the metadata is returned where it has, and nothing else is needed.
 */
function touchStatement({ suffix, lock, isSkipped }: Locking): Statement {
  return {
    name: `touch${suffix}`,
    summary: "UPDATE sessions",
    text: `
    WITH item AS (
      SELECT * FROM ${itemsFrom("items", ITEM)}
    ), target AS (
      SELECT id AS target_id, revoked_at, last_seen_at, idle_timeout_seconds, absolute_expires_at,
        interval_ms, item, known_etag
      FROM item JOIN sessions ON id = item_id WHERE ${due("sessions")} ${lock}
    ), touched AS (
      UPDATE sessions SET last_seen_at = GREATEST(sessions.last_seen_at, ${NOW})
      FROM target WHERE id = target_id AND ${due("target")}
      RETURNING item, CASE WHEN metadata_etag <> known_etag THEN jsonb_build_object(
        'item', item, 'metadata', metadata, 'metadataEtag', metadata_etag::text) END AS changed
    )
    SELECT ${NOW} AS now, touched.*,
      (SELECT jsonb_agg(item) FROM item
       WHERE ${isSkipped("item_id", due("sessions"))}) AS skipped
    FROM (SELECT jsonb_agg(item) AS items, jsonb_agg(changed) FILTER (WHERE changed IS NOT NULL) AS changed
      FROM touched) AS touched`,
  };
}

/** The row that the statement returns. NULL: of none. */
interface Touched {
  readonly now: unknown;
  readonly items: readonly number[] | null;
  readonly changed:
    | readonly (Pick<Session, "metadata" | "metadataEtag"> & { item: number })[]
    | null;
  readonly skipped: readonly number[] | null;
}

/**
 * Touches a batch of sessions. The result is undefined for a session that was not touched. Of several
 * items for one session, the first decides and the others touch nothing: their interval is the same.
 */
export function touchSessions(
  locking: Locking,
): (query: Query) => Execute<Touch, SessionSnapshot | undefined> {
  const statement = touchStatement(locking);
  return (query) => async (close, signal) => {
    const values = () => {
      const touches = close();
      const items = firstOfEach(touches);
      return [
        items,
        items.map((item) => (touches[item] as Touch).session.id),
        items.map((item) => (touches[item] as Touch).intervalMs),
        items.map((item) => (touches[item] as Touch).session.metadataEtag),
      ].map(arrayLiteral);
    };
    const [row] = await query(statement, values, signal);
    return resultsOf(close(), row as unknown as Touched);
  };
}

function resultsOf(
  touches: readonly Touch[],
  { items, changed, skipped, ...row }: Touched,
): readonly (SessionSnapshot | undefined | typeof RETRY_ALONE)[] {
  const now = instantOf(row.now);
  const touched = new Set(items);
  const skippedIds = new Set(skipped?.map((item) => touches[item]?.session.id));
  const metadataOf = new Map(changed?.map(({ item, ...metadata }) => [item, metadata]));
  return touches.map(({ session }, item) => {
    if (skippedIds.has(session.id)) return RETRY_ALONE;
    if (!touched.has(item)) return undefined;
    return { session: { ...session, lastSeenAt: now, ...metadataOf.get(item) }, now };
  });
}

/**
 * The number of the first touch of each session. A burst of calls for one session would otherwise take a
 * statement for each. The others of its touches find nothing to do, as if they came right after the first.
 */
function firstOfEach(touches: readonly Touch[]): readonly number[] {
  const seen = new Set<SessionId>();
  const first: number[] = [];
  for (const [item, { session }] of touches.entries()) {
    if (!seen.has(session.id)) first.push(item);
    seen.add(session.id);
  }
  return first;
}
