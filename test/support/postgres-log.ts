import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestDatabase } from "./database.ts";
import { until } from "./until.ts";

/** The log of the PostgreSQL that `npm test` starts; that of another server is not ours to read. */
const isOurs = process.env.SESSIOND_TEST_DATABASE_URL === undefined;

/**
 * Has PostgreSQL log every statement of a database, with all its parameters, on connections that
 * are made from now on: the log that a careless operator would have.
 */
export async function logEverything({ sql }: TestDatabase): Promise<void> {
  if (!isOurs) return;
  const [row] = await sql("SELECT current_database() AS name");
  for (const [setting, value] of Object.entries({
    log_statement: "all",
    log_duration: "on",
    log_min_messages: "debug1",
    log_min_error_statement: "debug1",
    log_error_verbosity: "verbose",
    log_parameter_max_length: "-1",
    log_parameter_max_length_on_error: "-1",
  })) {
    await sql(`ALTER DATABASE ${row?.name} SET ${setting} = '${value}'`);
  }
}

/** All of PostgreSQL's log up to now, or undefined where it cannot be had. */
export async function postgresLog({ sql }: TestDatabase): Promise<string | undefined> {
  if (!isOurs) return undefined;
  const marker = `marker-${randomUUID()}`;
  const [row] = await sql<{ data_directory: string }>("SHOW data_directory");
  const file = join(row?.data_directory ?? "", "..", "postgres.log");
  await sql(`DO $$ BEGIN RAISE LOG '${marker}'; END $$`);
  return until("the log has the marker", async () => {
    const text = await readFile(file, "latin1");
    return text.includes(marker) ? text : undefined;
  });
}
