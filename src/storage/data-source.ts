import { DataSource } from "typeorm";
import { auditEventEntity } from "./entities/audit-event-entity.ts";
import { sessionEntity } from "./entities/session-entity.ts";
import { signingKeyEntity } from "./entities/signing-key-entity.ts";
import { migrations } from "./migrations/index.ts";

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
