import type pg from "pg";
import type { DataSource } from "typeorm";
import { createDataSource } from "../../src/storage/data-source.ts";
import { Database, type DatabaseOptions } from "../../src/storage/pg/database.ts";
import { numbers } from "./in-parallel.ts";
import type { LockWaiter } from "./until.ts";

/** A way to the database without the service around it. */
export interface TestStorage extends LockWaiter {
  readonly database: Database;
  readonly dataSource: DataSource;
  readonly pool: pg.Pool;
  /**
   * Changes limits from now on. A test sets a short one when what has to exceed it is under way,
   * and takes it back before what has to keep to it.
   */
  setLimits(limits: Partial<Limits>): void;
  close(): Promise<void>;
}

type Limits = Record<
  "queueTimeoutMs" | "statementTimeoutMs" | "cancelGraceMs" | "connectTimeoutMs",
  number
>;

/** Limits that no test reaches, however slow the machine is. */
export const GENEROUS_LIMITS: Limits = {
  queueTimeoutMs: 600_000,
  statementTimeoutMs: 600_000,
  cancelGraceMs: 600_000,
  connectTimeoutMs: 600_000,
};

export type TestStorageOptions = Partial<DatabaseOptions & Limits>;

export async function openTestStorage(
  url: string,
  options: TestStorageOptions = {},
): Promise<TestStorage> {
  const settings = {
    poolSize: 4,
    queueLimit: 1000,
    preparedStatements: true,
    ...GENEROUS_LIMITS,
    ...options,
  };
  const dataSource = createDataSource({ ...settings, url, onPoolError: () => {} });
  await dataSource.initialize();
  const database = new Database(dataSource, settings);
  const pool = (dataSource.driver as unknown as { master: pg.Pool }).master;
  return {
    database,
    dataSource,
    pool,
    lockWaits: () => database.state().inUse.lock_waits,
    setLimits({ connectTimeoutMs, ...limits }) {
      // Both read them anew for each call.
      Object.assign(settings, limits);
      if (connectTimeoutMs !== undefined) {
        pool.options.connectionTimeoutMillis = connectTimeoutMs;
      }
    },
    close: () => database.close(),
  };
}

/** Opens that many connections of the pool: each is in use until all of them are. */
export async function openConnections({ database }: TestStorage, count: number): Promise<void> {
  const allOpen = Promise.withResolvers<void>();
  let open = 0;
  const use = () =>
    database.transaction(undefined, async (run) => {
      await run({ text: "SELECT 1" }, []);
      open += 1;
      if (open === count) allOpen.resolve();
      await allOpen.promise;
    });
  await Promise.all(numbers(count).map(use));
}
