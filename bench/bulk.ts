import type { Sql } from "./database.ts";

/**
 * Fills a table without its secondary indexes and foreign keys, and recreates them afterwards. This is
 * several times as fast, and the indexes are as dense as new ones.
 */
export async function withoutIndexes(
  sql: Sql,
  table: string,
  report: (state: string) => void,
  fill: () => Promise<void>,
): Promise<void> {
  const indexes = await sql(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
     FROM pg_index WHERE indrelid = $1::regclass AND NOT indisunique`,
    [table],
  );
  const foreignKeys = await sql(
    `SELECT quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
     FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'f'`,
    [table],
  );
  for (const { name } of foreignKeys) await sql(`ALTER TABLE ${table} DROP CONSTRAINT ${name}`);
  for (const { name } of indexes) await sql(`DROP INDEX ${name}`);
  await fill();
  for (const { name, definition } of indexes) {
    report(`index ${name}`);
    await sql(definition as string);
  }
  for (const { name, definition } of foreignKeys) {
    report(`foreign key ${name}`);
    await sql(`ALTER TABLE ${table} ADD CONSTRAINT ${name} ${definition}`);
  }
}

/** Creates a table with the columns, checks, indexes and rows of `sessions`, but no foreign key. */
export async function copySessions(sql: Sql, table: string): Promise<void> {
  await sql(`CREATE TABLE ${table} (LIKE sessions INCLUDING ALL) WITH (fillfactor = 85)`);
  await withoutIndexes(
    sql,
    table,
    () => {},
    async () => {
      await sql(`INSERT INTO ${table} SELECT * FROM sessions ORDER BY id`);
    },
  );
  await sql(`VACUUM (ANALYZE) ${table}`);
}
