import { DataSource } from "typeorm";
import { auditEventEntity } from "../audit/audit-event-entity.ts";
import { migrations } from "../schema/migrations/index.ts";
import { sessionEntity } from "../sessions/session-entity.ts";
import { signingKeyEntity } from "../signing-keys/signing-key-entity.ts";

export interface DataSourceOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly connectTimeoutMs: number;
  /** Told of connections that break while they are idle in the pool. */
  readonly onPoolError: (error: unknown) => void;
}

/** The connection to PostgreSQL. `synchronize` is never on: migrations alone make the schema. */
export function createDataSource(options: DataSourceOptions): DataSource {
  return new DataSource({
    type: "postgres",
    url: options.url,
    entities: [sessionEntity, signingKeyEntity, auditEventEntity],
    migrations: [...migrations],
    migrationsTableName: "schema_migrations",
    synchronize: false,
    installExtensions: false,
    logging: false,
    poolSize: options.poolSize,
    poolErrorHandler: options.onPoolError,
    applicationName: "sessiond",
    extra: {
      connectionTimeoutMillis: options.connectTimeoutMs,
      keepAlive: true,
    },
  });
}

/** Connects, or says what is in the way: where, but not as whom and with which password. */
export async function connect(dataSource: DataSource, url: string): Promise<void> {
  try {
    await dataSource.initialize();
  } catch (error) {
    const { hostname, port } = new URL(url);
    const address = `${hostname || "localhost"}:${port || "5432"}`;
    throw new Error(`cannot connect to the database at ${address}: ${explain(error)}`, {
      cause: error,
    });
  }
}

function explain(error: unknown): string {
  // A name with several addresses fails with an error for each, and no message of its own.
  if (error instanceof AggregateError) return error.errors.map(explain).join("; ");
  return error instanceof Error ? error.message : String(error);
}
