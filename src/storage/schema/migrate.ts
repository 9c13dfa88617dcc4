import type pg from "pg";
import { type DataSource, MigrationExecutor } from "typeorm";

/** Any number, as long as it is the same in all versions of sessiond. */
const MIGRATION_LOCK = 7_361_512_001;

/**
 * Applies all pending migrations in one transaction; returns their names. Any number of processes
 * may call it at the same time: one applies the migrations, and the others wait and find none pending.
 *
 * The lock belongs to the transaction, so that it also works through PgBouncer and is released when
 * a process dies. The wait for it has no timeout, since the migration of another process can take any
 * time; it ends when the signal fires.
 *
 * @throws {Error} with the cause, if a migration fails or the signal fires
 */
export async function migrate(
  dataSource: DataSource,
  signal?: AbortSignal,
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
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = "none";
    const applied = await executor.executePendingMigrations();
    await runner.commitTransaction();
    return applied.map((migration) => migration.name);
  } catch (error) {
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => {});
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the database's schema cannot be brought up to date: ${reason}`, {
      cause: error,
    });
  } finally {
    signal?.removeEventListener("abort", disconnect);
    await runner.release();
  }
}
