import type { TestDatabase } from "./database.ts";

/** Everything that is in the database: each row of each table, and each sequence, as text. */
export async function dumpOf({ sql }: Pick<TestDatabase, "sql">): Promise<readonly string[]> {
  const relations = await sql<{ name: string; relkind: string }>(
    `SELECT relkind, format('%I.%I', nspname, relname) AS name
     FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relkind IN ('r', 'S') AND nspname NOT LIKE 'pg_%' AND nspname <> 'information_schema'
     ORDER BY name`,
  );
  const dump: string[] = [];
  for (const { name, relkind } of relations) {
    const row = relkind === "S" ? "last_value" : "relation";
    const rows = await sql<{ row: string }>(
      `SELECT ${row}::text AS row FROM ${name} relation ORDER BY 1`,
    );
    dump.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  return dump;
}
