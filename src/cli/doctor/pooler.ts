import type { Config } from "../../config/config.ts";
import type { DatabaseFacts } from "../../doctor-checks.ts";
import { type Finding, ok, warning } from "./finding.ts";

/** What is in front of PostgreSQL, such as PgBouncer, and whether the settings suit it. */
export function judgePooler({ pooler }: DatabaseFacts, { database }: Config): readonly Finding[] {
  const { hasPooler, sharesServers, keepsPreparedStatements } = pooler;
  if (!hasPooler) return [ok("no pooler is in front of PostgreSQL")];
  if (!sharesServers) {
    return [ok("a pooler in session mode, such as PgBouncer, is in front of PostgreSQL")];
  }
  const mode = "a pooler in transaction mode, such as PgBouncer, is in front of PostgreSQL";
  const { preparedStatements } = database;
  if (preparedStatements && !keepsPreparedStatements) {
    return [
      warning(
        `${mode}, and loses prepared statements: each loss costs a call a second attempt`,
        "set SESSIOND_DATABASE_PREPARED_STATEMENTS=false, or PgBouncer's max_prepared_statements " +
          "(1.21 or newer) to 200",
      ),
    ];
  }
  if (!preparedStatements && keepsPreparedStatements) {
    return [
      warning(
        `${mode}, and keeps prepared statements, which the settings do without`,
        "unset SESSIOND_DATABASE_PREPARED_STATEMENTS: calls take less of the database's CPU",
      ),
    ];
  }
  return [ok(`${mode}, and the settings suit it`)];
}
