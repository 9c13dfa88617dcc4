import pg from "pg";
import type { TestDatabase } from "./database.ts";

export interface HeldTransaction {
  /** The id of the server process, as pg_terminate_backend and pg_blocking_pids know it. */
  readonly pid: number;
  query(text: string, values?: readonly unknown[]): Promise<unknown>;
  commit(): Promise<void>;
  /** Ends it if it is still open. May be called again. */
  end(): Promise<void>;
}

/** A transaction on a connection of its own: it holds locks until the test lets go of them. */
export async function holdTransaction(
  database: Pick<TestDatabase, "url">,
): Promise<HeldTransaction> {
  const client = new pg.Client({ connectionString: database.url });
  client.on("error", () => {});
  await client.connect();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  await client.query("BEGIN");
  let ended: Promise<void> | undefined;
  const end = () => {
    ended ??= client.end();
    return ended;
  };
  return {
    pid: rows[0]?.pid ?? 0,
    query: (text, values = []) => client.query(text, [...values]),
    async commit() {
      await client.query("COMMIT");
      await end();
    },
    end,
  };
}
