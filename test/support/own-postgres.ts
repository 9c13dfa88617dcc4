import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../packages/embedded-postgres/index.ts";
import type { TestDatabase } from "./database.ts";

/** A PostgreSQL of a test's own, whose settings may be changed. */
export interface OwnPostgres extends AsyncDisposable {
  readonly server: EmbeddedPostgres;
  /** Runs SQL as the superuser. It does not wait for standbys. */
  readonly sql: TestDatabase["sql"];
  /** Changes a setting that is read anew when the configuration is reloaded. */
  configure(name: string, value: string): Promise<void>;
}

/** @param settings beside those of a server without durability */
export async function startOwnPostgres(
  settings: Readonly<Record<string, string>> = {},
): Promise<OwnPostgres> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-postgres-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  // If this process runs as root, PostgreSQL runs as another user, who needs access.
  await chmod(directory, 0o755);
  const server = await startEmbeddedPostgres({
    dataDirectory: directory,
    ephemeral: true,
    settings,
  });
  stack.defer(() => server.stop());
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  stack.defer(() => admin.end());
  await admin.query("SET synchronous_commit = local");
  const opened = stack.move();
  return {
    server,
    async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      return (await admin.query<Row>(text, [...values])).rows;
    },
    async configure(name, value) {
      await admin.query(`ALTER SYSTEM SET ${name} = '${value}'`);
      await admin.query("SELECT pg_reload_conf()");
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
