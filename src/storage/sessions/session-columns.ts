import type { Session } from "../../session/session.ts";
import type { SessionSnapshot } from "../../session/session-store.ts";
import { columnsOf, rowMapper } from "../pg/columns.ts";
import type { Row } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
import { sessionEntity } from "./session-entity.ts";

export const sessionColumns = columnsOf(sessionEntity);

const names = sessionColumns.map(({ name }) => name);

export const SESSION_COLUMNS = names.join(", ");

/** The columns with the name of the table, for statements on several tables. */
export const QUALIFIED_SESSION_COLUMNS = names.map((name) => `sessions.${name}`).join(", ");

/** NULLs for all columns but the id, in a row that is not a session. */
export const NO_SESSION = names
  .slice(1)
  .map(() => "NULL")
  .join(", ");

export const sessionOf = rowMapper<Session>(sessionColumns);

export function snapshotOf(row: Row | undefined): SessionSnapshot | undefined {
  return row && { session: sessionOf(row), now: instantOf(row.now) };
}
