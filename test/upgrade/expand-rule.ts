import type { TestDatabase } from "../support/database.ts";

/** What a version of sessiond relies on in a schema. Keys are names with their tables. */
export interface SchemaFacts {
  readonly tables: readonly string[];
  readonly columns: ReadonlyMap<string, { readonly type: string; readonly isOptional: boolean }>;
  /** Their definitions by name, with the tables that they restrict. */
  readonly constraints: ReadonlyMap<
    string,
    { readonly tables: readonly string[]; readonly definition: string }
  >;
  readonly indexes: ReadonlyMap<
    string,
    { readonly table: string; readonly definition: string; readonly isUnique: boolean }
  >;
}

export async function readSchemaFacts(sql: TestDatabase["sql"]): Promise<SchemaFacts> {
  const tables = await sql<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  const columns = await sql<{ table: string; name: string; type: string; optional: boolean }>(
    `SELECT attrelid::regclass::text AS table, attname AS name,
       format_type(atttypid, atttypmod) || ' COLLATE ' || attcollation::regcollation AS type,
       NOT attnotnull OR atthasdef OR attidentity <> '' AS optional
     FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
       AND NOT attisdropped`,
  );
  const constraints = await sql<{ name: string; tables: string[]; definition: string }>(
    `SELECT conrelid::regclass || ' ' || conname AS name, pg_get_constraintdef(oid) AS definition,
       array_remove(ARRAY[conrelid::regclass::text, nullif(confrelid, 0)::regclass::text], NULL) AS tables
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'`,
  );
  const indexes = await sql<{ name: string; table: string; definition: string; unique: boolean }>(
    `SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS table,
       pg_get_indexdef(indexrelid) AS definition, indisunique AS unique
     FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE relnamespace = 'public'::regnamespace`,
  );
  return {
    tables: tables.map(({ name }) => name),
    columns: new Map(
      columns.map(({ table, name, type, optional }) => [
        `${table}.${name}`,
        { type, isOptional: optional },
      ]),
    ),
    constraints: new Map(constraints.map(({ name, ...rest }) => [name, rest])),
    indexes: new Map(
      indexes.map(({ name, unique, ...rest }) => [name, { ...rest, isUnique: unique }]),
    ),
  };
}

/** What a migration has changed that the version before it may not survive. */
export function expandProblems(before: SchemaFacts, after: SchemaFacts): readonly string[] {
  return [
    ...before.tables
      .filter((table) => !after.tables.includes(table))
      .map((table) => `drops ${table}`),
    ...columnProblems(before, after),
    ...constraintProblems(before, after),
    ...indexProblems(before, after),
  ];
}

function* columnProblems(before: SchemaFacts, after: SchemaFacts): Generator<string> {
  for (const [name, { type, isOptional }] of before.columns) {
    const now = after.columns.get(name);
    if (now === undefined) yield `drops ${name}`;
    else if (now.type !== type) yield `changes the type of ${name}`;
    else if (isOptional && !now.isOptional) yield `requires ${name}`;
  }
  for (const [name, { isOptional }] of after.columns) {
    const [table = ""] = name.split(".");
    const isNew = before.tables.includes(table) && !before.columns.has(name);
    if (isNew && !isOptional) yield `adds ${name}, which is neither nullable nor has a default`;
  }
}

function* constraintProblems(before: SchemaFacts, after: SchemaFacts): Generator<string> {
  for (const [name, { definition }] of before.constraints) {
    if (after.constraints.get(name)?.definition !== definition)
      yield `changes the constraint ${name}`;
  }
  for (const [name, { tables }] of after.constraints) {
    const restricted = tables.find((table) => before.tables.includes(table));
    if (restricted !== undefined && !before.constraints.has(name)) {
      yield `adds the constraint ${name} to ${restricted}`;
    }
  }
}

function* indexProblems(before: SchemaFacts, after: SchemaFacts): Generator<string> {
  for (const [name, { definition }] of before.indexes) {
    if (after.indexes.get(name)?.definition !== definition) yield `changes the index ${name}`;
  }
  for (const [name, { table, isUnique }] of after.indexes) {
    if (isUnique && before.tables.includes(table) && !before.indexes.has(name)) {
      yield `adds the unique index ${name} to ${table}`;
    }
  }
}
