import type pg from "pg";
import { type DataSource, MigrationExecutor } from "typeorm";

/** Any number, as long as it is the same in all versions of sessiond. */
const MIGRATION_LOCK = 7_361_512_001;

/**
 * Applies the migrations that the database lacks, all of them or none; returns their names. Any
 * number of processes may do so at once: one works, the others wait and find nothing left to do.
 *
 * The lock belongs to the transaction, so that it also holds through PgBouncer and goes with a
 * process that dies. The wait for it has no limit but the signal, since another process's migration
 * takes as long as it takes.
 */
export async function migrate(
  dataSource: DataSource,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const runner = dataSource.createQueryRunner();
  const client: Pick<pg.Client, "connection"> = await runner.connect();
  // Whatever has been done is rolled back by the server.
  const cut = () => client.connection.stream.destroy();
  signal?.addEventListener("abort", cut, { once: true });
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
    signal?.removeEventListener("abort", cut);
    await runner.release();
  }
}
