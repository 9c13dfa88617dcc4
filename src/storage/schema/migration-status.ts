import type pg from "pg";
import { EXPAND, MIGRATIONS_TABLE } from "./migrate.ts";
import { migrations } from "./migrations/index.ts";

export interface MigrationStatus {
  /** Of this version of sessiond, and not applied. */
  readonly pending: readonly string[];
  /** Applied by a newer version, and this version can run with all of them. */
  readonly newer: readonly string[];
  /** Applied, and not of this version of sessiond, which cannot run with them. */
  readonly unknown: readonly string[];
}

/** Compares the migrations that are applied with those of this version, and changes nothing. */
export async function readMigrationStatus(
  client: Pick<pg.ClientBase, "query">,
): Promise<MigrationStatus> {
  const known = migrations.map(({ name }) => name);
  const { rows } = await client.query("SELECT to_regclass($1) IS NOT NULL AS exists", [
    MIGRATIONS_TABLE,
  ]);
  if (rows[0]?.exists !== true) return { pending: known, newer: [], unknown: [] };
  const { rows: applied } = await client.query<{ name: string }>(
    `SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`,
  );
  const names = applied.map(({ name }) => name);
  const pending = known.filter((name) => !names.includes(name));
  const others = names.filter((name) => !known.includes(name));
  const isUsable = pending.length === 0 && others.every((name) => name.startsWith(EXPAND));
  return { pending, newer: isUsable ? others : [], unknown: isUsable ? [] : others };
}
