import type { DataSource } from "typeorm";

/**
 * Dumps the schema of a database as the catalog describes it, sorted by name. pg_dump is not used:
 * the embedded PostgreSQL comes without it, and its output changes with the version.
 */

const TABLES = `
  SELECT oid, relname AS name, array_to_string(reloptions, ', ') AS parameters
  FROM pg_class
  WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
  ORDER BY relname COLLATE "C"`;

/** In the order in which they were added, which is the order within a row. */
const COLUMNS = `
  SELECT quote_ident(attname) AS name, format_type(atttypid, atttypmod) AS type,
    CASE WHEN attcollation <> typcollation THEN quote_ident(collname) END AS collation,
    attnotnull AS required, attidentity AS identity, pg_get_expr(adbin, adrelid) AS default
  FROM pg_attribute
  JOIN pg_type ON pg_type.oid = atttypid
  LEFT JOIN pg_collation ON pg_collation.oid = attcollation
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
  ORDER BY attnum`;

/** Without NOT NULL, which is a separate constraint since PostgreSQL 18. */
const CONSTRAINTS = `
  SELECT quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint
  WHERE conrelid = $1 AND contype <> 'n'
  ORDER BY array_position('{p,u,f,c}'::text[], contype::text), conname COLLATE "C"`;

/** With their storage parameters, and without the indexes of constraints. */
const INDEXES = `
  SELECT pg_get_indexdef(indexrelid) AS definition
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
  WHERE indrelid = $1 AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
  ORDER BY relname COLLATE "C"`;

/** Other objects. The service uses none; the dump shows if one appears. */
const OTHERS = `
  SELECT 'trigger ' || tgname AS name FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL
  SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'view ' ELSE 'sequence ' END || relname
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'S')
    -- Without the sequences that belong to a column.
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('i', 'a'))
  ORDER BY name`;

interface Table {
  readonly oid: number;
  readonly name: string;
  readonly parameters: string | null;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly collation: string | null;
  readonly required: boolean;
  /** `a`: always, `d`: by default, empty: none. */
  readonly identity: string;
  readonly default: string | null;
}

interface Definition {
  readonly name: string;
  readonly definition: string;
}

/** The schema of a database as text that is the same for every PostgreSQL from 15 on. */
export async function dumpSchema(dataSource: Pick<DataSource, "query">): Promise<string> {
  const tables: Table[] = await dataSource.query(TABLES);
  const parts: string[] = [];
  for (const table of tables) {
    const columns: Column[] = await dataSource.query(COLUMNS, [table.oid]);
    const constraints: Definition[] = await dataSource.query(CONSTRAINTS, [table.oid]);
    const indexes: Definition[] = await dataSource.query(INDEXES, [table.oid]);
    const lines = [
      ...columns.map(columnDefinition),
      ...constraints.map(({ name, definition }) => `CONSTRAINT ${name} ${definition}`),
    ];
    const parameters = table.parameters ? ` WITH (${table.parameters})` : "";
    parts.push(`CREATE TABLE ${table.name} (\n  ${lines.join(",\n  ")}\n)${parameters};\n`);
    parts.push(indexes.map(({ definition }) => `${definition};\n`).join(""));
  }
  const others: Definition[] = await dataSource.query(OTHERS);
  parts.push(others.map(({ name }) => `-- also: ${name}\n`).join(""));
  const header = "-- Written by scripts/schema.ts from what the migrations make: do not edit.\n";
  return [header, ...parts.filter((part) => part !== "")].join("\n");
}

function columnDefinition(column: Column): string {
  const parts = [column.name, column.type];
  if (column.collation !== null) parts.push(`COLLATE ${column.collation}`);
  if (column.required) parts.push("NOT NULL");
  if (column.default !== null) parts.push(`DEFAULT ${column.default}`);
  if (column.identity !== "") {
    parts.push(`GENERATED ${column.identity === "a" ? "ALWAYS" : "BY DEFAULT"} AS IDENTITY`);
  }
  return parts.join(" ");
}
