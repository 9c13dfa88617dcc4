import { DataSource } from "typeorm";
import { auditEventEntity } from "./audit/audit-event-entity.ts";
import { migrations } from "./schema/migrations/index.ts";
import { sessionEntity } from "./sessions/session-entity.ts";
import { signingKeyEntity } from "./signing-keys/signing-key-entity.ts";

export interface DataSourceOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly connectTimeoutMs: number;
  /** Called when a connection breaks while it is idle in the pool. */
  readonly onPoolError: (error: Error & { readonly code?: string }) => void;
}

/** The data source for PostgreSQL. `synchronize` is off: only migrations change the schema. */
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

/**
 * Connects to the database.
 *
 * @throws {Error} with the host, the port and the cause, but without the user and the password
 */
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
  // For a host name with several addresses, there is one error for each address, and no message.
  if (error instanceof AggregateError) return error.errors.map(explain).join("; ");
  return error instanceof Error ? error.message : String(error);
}
