import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { withoutIndexes } from "./bulk.ts";
import { CSRF_TOKEN_CHARACTERS } from "./credentials.ts";
import { checkpoint, type Sql } from "./database.ts";

const CHUNK = 100_000;

export const SEEDED_APP = "bench";
/** The app type of sessions that are only revoked, so that the sessions that are read do not change. */
export const RESERVED_APP = "bench-reserved";
export const USER_AGENT =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

/** A session id as mintSessionId makes it, from the time `ms` and a random UUID. */
export const SESSION_ID_SQL = (ms: string): string =>
  `'ses-' || lpad(to_hex((${ms})::bigint), 12, '0') || replace(gen_random_uuid()::text, '-', '')`;

/**
 * Inserts a row for each number of the series. The sessions were created within the last hour, in the
 * order of their ids, for a third as many actors. They were last seen 1 to 25 minutes ago, which is
 * longer than any touch interval. Their idle timeout of 12 hours is longer than any run.
 */
const SEED = `
  INSERT INTO sessions (id, tenant_id, actor_type, actor_id, app_type, pre_login, created_at,
    last_seen_at, idle_timeout_seconds, absolute_expires_at, ip_address, user_agent,
    signing_key_id, csrf_token_hash, metadata)
  SELECT id, 'default', 'user', 'user-' || (number::bigint * 7919) % greatest($3::integer / 3, 1), $4,
    false, created_at, greatest(created_at, now() - (60 + random() * 1440) * interval '1 second'),
    43200, created_at + $6 * interval '1 second',
    '198.51.' || number / 250 % 250 || '.' || number % 250, $5, (SELECT id FROM signing_keys),
    sha256(convert_to(right(id, ${CSRF_TOKEN_CHARACTERS}), 'UTF8')), '{"theme": "dark"}'
  FROM (
    SELECT number, created_at,
      ${SESSION_ID_SQL("extract(epoch FROM created_at) * 1000")} AS id
    FROM (
      SELECT number,
        now() - $7 * interval '1 second' - (1 - number::float / $3::integer) * interval '55 minutes'
          - interval '5 minutes' AS created_at
      FROM generate_series($1::integer, $2::integer) AS number
    ) AS times
  ) AS ids
  ORDER BY ids.id`;

const DAY_SECONDS = 86_400;

interface SeedOptions {
  readonly count: number;
  readonly appType: string;
  /** How long ago the sessions were created, in addition to the hour over which they are spread. */
  readonly ageSeconds: number;
  readonly report: (state: string) => void;
  readonly signal: AbortSignal;
}

async function insertSessions(sql: Sql, options: SeedOptions): Promise<void> {
  const { count, appType, ageSeconds, report, signal } = options;
  for (let first = 1; first <= count; first += CHUNK) {
    signal.throwIfAborted();
    const last = Math.min(first + CHUNK - 1, count);
    await sql(SEED, [first, last, count, appType, USER_AGENT, DAY_SECONDS, ageSeconds]);
    report(`${last} of ${count} rows`);
  }
}

/** Fills the table with live sessions, all with the same signing key. */
export async function seedSessions(
  sql: Sql,
  count: number,
  report: (state: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await withoutIndexes(sql, "sessions", report, () =>
    insertSessions(sql, { count, appType: SEEDED_APP, ageSeconds: 0, report, signal }),
  );
  report("vacuum");
  await sql("VACUUM (ANALYZE) sessions");
  await checkpoint(sql);
}

/** The ids of `count` live sessions that are not among the seeded ones. Adds missing ones. */
export async function reserve(
  sql: Sql,
  count: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const live = () =>
    sql("SELECT id FROM sessions WHERE app_type = $1 AND revoked_at IS NULL ORDER BY id", [
      RESERVED_APP,
    ]);
  const missing = count - (await live()).length;
  const report = () => {};
  await insertSessions(sql, {
    count: missing,
    appType: RESERVED_APP,
    ageSeconds: 0,
    report,
    signal,
  });
  return (await live()).slice(0, count).map(({ id }) => id as string);
}

/** Adds sessions that ended long enough ago for a sweep to delete them. */
export async function addExpired(
  sql: Sql,
  count: number,
  report: (state: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await insertSessions(sql, {
    count,
    appType: SEEDED_APP,
    ageSeconds: 30 * DAY_SECONDS,
    report,
    signal,
  });
  await sql("VACUUM (ANALYZE) sessions");
  await checkpoint(sql);
}

/** Deletes what measurements have added, so that each round begins with the same tables. */
export async function removeAdditions(sql: Sql, since: Date): Promise<void> {
  await sql("DELETE FROM sessions WHERE created_at >= $1 OR app_type = $2", [since, RESERVED_APP]);
  await sql("TRUNCATE audit_events");
  await sql("VACUUM (ANALYZE) sessions");
}

/** Creates connect-pg-simple's table with its own script, and fills it with sessions. */
export async function seedExpressSessions(
  sql: Sql,
  count: number,
  report: (state: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const script = createRequire(import.meta.url).resolve("connect-pg-simple/table.sql");
  await sql(await readFile(script, "utf8"));
  for (let first = 1; first <= count; first += CHUNK) {
    signal.throwIfAborted();
    const last = Math.min(first + CHUNK - 1, count);
    await sql(
      `INSERT INTO session (sid, sess, expire)
       SELECT replace(gen_random_uuid()::text, '-', ''),
         json_build_object(
           'cookie', json_build_object('originalMaxAge', 43200000, 'httpOnly', true, 'path', '/',
             'expires', to_char(expire, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
           'user', json_build_object('id', 'user-' || number % greatest($3::integer / 3, 1),
             'type', 'user', 'tenant', 'default', 'userAgent', $4::text, 'theme', 'dark')),
         expire
       FROM generate_series($1::integer, $2::integer) AS number,
         LATERAL (SELECT (now() + interval '12 hours')::timestamp AS expire) AS expiry`,
      [first, last, count, USER_AGENT],
    );
    report(`${last} of ${count} rows`);
  }
  await sql("VACUUM (ANALYZE) session");
  await checkpoint(sql);
}
