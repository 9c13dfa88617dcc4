/**
 * Writes src/storage/schema/schema.sql, the schema that the migrations make. With --check, only compares.
 * It uses the PostgreSQL that SESSIOND_TEST_SERVER_URL names (its user must be allowed to create
 * databases), else one that is started for this and thrown away.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { createDataSource } from "../src/storage/data-source.ts";
import { migrate } from "../src/storage/schema/migrate.ts";
import { dumpSchema } from "./schema-dump.ts";

const target = join(import.meta.dirname, "..", "src", "storage", "schema", "schema.sql");

/** The schema of a new database on the server, which is dropped again. */
async function schemaMadeOn(serverUrl: string): Promise<string> {
  const name = `schema_${randomBytes(6).toString("hex")}`;
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    const dataSource = createDataSource({
      url: url.href,
      poolSize: 1,
      connectTimeoutMs: 5000,
      // Dropping the database may cut a connection that is still being closed.
      onPoolError: () => {},
    });
    try {
      await dataSource.initialize();
      await migrate(dataSource);
      return await dumpSchema(dataSource);
    } finally {
      if (dataSource.isInitialized) await dataSource.destroy();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  } finally {
    await admin.end();
  }
}

async function schemaOfMigrations(): Promise<string> {
  const given = process.env.SESSIOND_TEST_SERVER_URL;
  if (given !== undefined) return schemaMadeOn(given);
  const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-schema-"));
  try {
    const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
    try {
      return await schemaMadeOn(postgres.url);
    } finally {
      await postgres.stop();
    }
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

function committed(): string {
  try {
    return readFileSync(target, "utf8");
  } catch {
    // A missing file differs, and the message below says what to do.
    return "";
  }
}

const wanted = await schemaOfMigrations();
if (!process.argv.includes("--check")) {
  writeFileSync(target, wanted);
} else if (committed() !== wanted) {
  console.error(
    "src/storage/schema/schema.sql differs from what the migrations make: run `npm run schema`",
  );
  process.exitCode = 1;
}
