import type pg from "pg";
import { type DataSource, MigrationExecutor, type QueryRunner } from "typeorm";

export const MIGRATIONS_TABLE = "schema_migrations";

/** Any number, as long as it is the same in all versions of sessiond. */
const MIGRATION_LOCK = 7_361_512_001;

/**
 * How long a migration waits for a table, such as one that a backup reads. All later statements wait behind
 * it, those of replicas that serve, too.
 */
const TABLE_LOCK_TIMEOUT_MS = 1000;

export interface MigrateOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Called before the schema of an older version is migrated. If it rejects with an UpgradeRefused,
   * nothing is migrated, so that the older version can still use the database.
   */
  readonly beforeUpgrade?: (runner: QueryRunner) => Promise<void>;
  /** Called with the migrations of a newer version, if this version can run on its schema. */
  readonly onNewerSchema?: (migrations: readonly string[]) => void;
}

/**
 * Applies all pending migrations in one transaction; returns their names. Any number of processes
 * may call it at the same time: one applies the migrations, and the others wait and find none pending.
 *
 * The lock belongs to the transaction, so that it also works through PgBouncer and is released when
 * a process dies. The wait for it has no timeout, since the migration of another process can take any
 * time; it ends when the signal fires.
 *
 * @throws {SchemaError} if the schema belongs to another program, or to a newer version of sessiond whose
 * migrations do more than expand it
 * @throws {UpgradeRefused} if `beforeUpgrade` rejects with it
 * @throws {Error} with the cause, if a migration fails or the signal fires
 */
export async function migrate(
  dataSource: DataSource,
  { signal, beforeUpgrade, onNewerSchema }: MigrateOptions = {},
): Promise<readonly string[]> {
  const runner = dataSource.createQueryRunner();
  const client: Pick<pg.Client, "connection"> = await runner.connect();
  // The server then rolls the transaction back.
  const disconnect = () => client.connection.stream.destroy();
  signal?.addEventListener("abort", disconnect, { once: true });
  try {
    signal?.throwIfAborted();
    await runner.startTransaction("READ COMMITTED");
    await runner.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    await runner.query(`SET LOCAL lock_timeout = ${TABLE_LOCK_TIMEOUT_MS}`);
    const { isUpgrade, newer } = await checkSchema(runner, dataSource);
    if (newer.length > 0) onNewerSchema?.(newer);
    if (isUpgrade) await beforeUpgrade?.(runner);
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = "none";
    const applied = await executor.executePendingMigrations();
    await runner.commitTransaction();
    return applied.map((migration) => migration.name);
  } catch (error) {
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => {});
    if (error instanceof SchemaError || error instanceof UpgradeRefused) throw error;
    throw new Error(`its schema cannot be brought up to date: ${explain(error)}`, { cause: error });
  } finally {
    signal?.removeEventListener("abort", disconnect);
    await runner.release();
  }
}

/** The schema is not one that this version of sessiond can use or migrate. */
class SchemaError extends Error {}

/** Its cause says why this process must not migrate the schema. */
export class UpgradeRefused extends Error {
  constructor(cause: unknown) {
    super("the schema is not migrated", { cause });
  }
}

/** Whatever runs these migrations creates these tables. */
const TABLES = ["sessions", "signing_keys", "audit_events"];

/** What the names of migrations begin with that leave the schema usable by the version before them. */
export const EXPAND = "Expand";

interface CheckedSchema {
  /** It is the schema of an older version of sessiond. */
  readonly isUpgrade: boolean;
  /** Migrations of a newer version, all of which this version can run with. */
  readonly newer: readonly string[];
}

/** TypeORM would ignore migrations that it does not know, and fail on tables of other programs. */
async function checkSchema(runner: QueryRunner, dataSource: DataSource): Promise<CheckedSchema> {
  const [schema] = await runner.query("SELECT current_schema() AS name, current_user AS role");
  if (schema.name === null) {
    throw new SchemaError(
      "no schema of its search_path exists: create one that the role " +
        `${JSON.stringify(schema.role)} may create tables in`,
    );
  }
  const tables: { name: string; columns: string[] }[] = await runner.query(
    `SELECT relname AS name, array(
       SELECT attname::text FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0) AS columns
     FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = current_schema() AND relname = ANY ($1) ORDER BY relname`,
    [[MIGRATIONS_TABLE, ...TABLES]],
  );
  const migrationsTable = tables.find(({ name }) => name === MIGRATIONS_TABLE);
  const isOurs = ["id", "timestamp", "name"].every((column) =>
    migrationsTable?.columns.includes(column),
  );
  const applied: { name: string }[] = isOurs
    ? await runner.query(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`)
    : [];
  const foreign =
    applied.length > 0 ? [] : tables.filter((table) => !isOurs || table !== migrationsTable);
  if (foreign.length > 0) {
    const names = foreign.map(({ name }) => name);
    throw new SchemaError(foreignTables(names, schema.name));
  }

  const known = dataSource.migrations.map(({ name }) => name);
  const newer = applied.map(({ name }) => name).filter((name) => !known.includes(name));
  const isComplete = applied.length - newer.length === known.length;
  if (newer.length > 0 && !(isComplete && newer.every((name) => name.startsWith(EXPAND)))) {
    throw new SchemaError(
      `its schema has migrations that this version does not know: ${newer.join(", ")}; run the ` +
        "version of sessiond that applied them, or a newer one",
    );
  }
  return { isUpgrade: applied.length > 0 && !isComplete, newer };
}

function foreignTables(names: readonly string[], schema: string): string {
  const tables = names.map((name) => JSON.stringify(name)).join(", ");
  return (
    `its schema ${JSON.stringify(schema)} already has tables that sessiond did not create: ` +
    `${tables}; give sessiond a database of its own, or a schema of its own ` +
    "(CREATE SCHEMA sessiond, and ?options=-c%20search_path%3Dsessiond in SESSIOND_DATABASE_URL)"
  );
}

function explain(error: unknown): string {
  const { message, code } = error as Error & { readonly code?: string };
  const advice =
    code === "42501"
      ? ": the role must own the database, or be allowed to create tables in it"
      : "";
  return `${message}${advice}`;
}
