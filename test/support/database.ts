import { randomBytes } from "node:crypto";
import pg from "pg";

/**
 * Where the tests' PostgreSQL is and which database is cloned for each test file. Both are set by
 * `npm test`, which starts a PostgreSQL of its own unless SESSIOND_TEST_DATABASE_URL names one.
 */
function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run the tests with npm test`);
  return value;
}

/** Runs statements as the superuser, in the server's own database. */
export async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: required("SESSIOND_TEST_SERVER_URL") });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export interface TestDatabase {
  readonly url: string;
  /** Runs SQL as an operator would with psql, beside sessiond. */
  sql<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
  /** Drops the database; fails if a connection that is not ours was left open. */
  drop(): Promise<void>;
}

/** A database of the caller's own: a clone of the migrated template, or an empty one. */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const name = `test_${process.pid}_${randomBytes(6).toString("hex")}`;
  const template = options.empty ? "template0" : required("SESSIOND_TEST_TEMPLATE");
  await asAdmin(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(required("SESSIOND_TEST_SERVER_URL"));
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 4 });
  pool.on("error", () => {});
  return {
    url: url.href,
    async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const { rows } = await pool.query<Row>(text, [...values]);
      return rows;
    },
    async drop() {
      await pool.end();
      await dropOnceUnused(name);
    },
  };
}

/**
 * A server process outlives its closed connection for a moment, for which DROP DATABASE waits 5 s by
 * itself. It is not repeated: pools close idle connections after 10 s, and a leaked pool must fail.
 */
async function dropOnceUnused(name: string): Promise<void> {
  try {
    await asAdmin(`DROP DATABASE ${name}`);
  } catch (error) {
    await asAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    throw error;
  }
}
