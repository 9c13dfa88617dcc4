import type pg from "pg";
import type { DataSource } from "typeorm";
import { createDataSource } from "../../src/storage/pg/data-source.ts";
import { Database, type DatabaseOptions } from "../../src/storage/pg/database.ts";

/** A way to the database without the service around it. */
export interface TestStorage {
  readonly database: Database;
  readonly dataSource: DataSource;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

export type TestStorageOptions = Partial<DatabaseOptions & { connectTimeoutMs: number }>;

export async function openTestStorage(
  url: string,
  options: TestStorageOptions = {},
): Promise<TestStorage> {
  const settings = {
    poolSize: 4,
    queueLimit: 1000,
    queueTimeoutMs: 5000,
    statementTimeoutMs: 10_000,
    connectTimeoutMs: 5000,
    preparedStatements: true,
    ...options,
  };
  const dataSource = createDataSource({ ...settings, url, onPoolError: () => {} });
  await dataSource.initialize();
  const database = new Database(dataSource, settings);
  return {
    database,
    dataSource,
    pool: (dataSource.driver as unknown as { master: pg.Pool }).master,
    close: () => database.close(),
  };
}
