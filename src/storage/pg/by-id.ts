import type { Database, Row } from "./database.ts";
import type { Statement } from "./prepared-statements.ts";

/** All rows of a table, by a statement that reads the next ones after the id `$1`, ordered by id. */
export async function* rowsById(
  database: Database,
  nextRows: Statement,
  signal: AbortSignal | undefined,
): AsyncGenerator<Row> {
  let after = "";
  for (;;) {
    const rows = await database.query(nextRows, [after], signal);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield* rows;
    after = last.id as string;
  }
}
