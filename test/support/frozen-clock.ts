import type { TestDatabase } from "./database.ts";

export interface FrozenClock {
  /** The URL of the database for connections that see the frozen clock. */
  readonly url: string;
  /** Sets the clock, in milliseconds since the Unix epoch. */
  set(instant: number): Promise<void>;
}

/**
 * Puts functions in front of PostgreSQL's own that tell the time, so that a test can be at a
 * deadline, and 1 ms to either side of it. The columns, the statements and the rules are the real ones.
 */
export async function freezeClock(
  { url, sql }: Pick<TestDatabase, "url" | "sql">,
  instant: number,
): Promise<FrozenClock> {
  const set = async (ms: number) => {
    for (const name of ["statement_timestamp", "clock_timestamp"]) {
      await sql(
        `CREATE OR REPLACE FUNCTION public.${name}() RETURNS timestamptz STABLE LANGUAGE sql
         AS $$ SELECT '${new Date(ms).toISOString()}'::timestamptz $$`,
      );
    }
  };
  await set(instant);
  const frozen = new URL(url);
  // Unless the path names it, pg_catalog comes first.
  frozen.searchParams.set("options", "-c search_path=public,pg_catalog");
  return { url: frozen.href, set };
}
