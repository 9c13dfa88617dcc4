/**
 * Measures a search across actors: fills a database with sessions and lists them by filters. Prints the
 * seconds, the number of calls and the longest one for each filter. `--rows` says how many sessions there are,
 * 1000000 by default.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import pg from "pg";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { type SessionClient, startReplica } from "../test/support/app.ts";

type Filter = NonNullable<Parameters<SessionClient["listSessions"]>[0]["filter"]>;

const HOUR_MS = 3_600_000;
const PAGE_SIZE = 200;
/** One session in so many has the address and the user agent that the filters look for. */
const RARE = 10_000;

/** Sessions of a week, in ids of their times, with realistic texts. A tenth of them has ended. */
async function fill(url: string, rows: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    `INSERT INTO sessions (id, tenant_id, actor_type, actor_id, app_type, pre_login, created_at,
       last_seen_at, idle_timeout_seconds, absolute_expires_at, revoked_at, ip_address, user_agent,
       signing_key_id, csrf_token_hash, metadata)
     SELECT 'ses-' || lpad(to_hex((extract(epoch FROM opened) * 1000)::bigint), 12, '0') || md5(n::text),
       'tenant-' || n % 10, 'user', 'actor-' || n, 'shop', false, opened, opened, 604800,
       opened + interval '14 days', CASE WHEN n % 10 = 0 THEN opened END,
       CASE WHEN n % $2 = 1 THEN '198.51.100.7' ELSE '10.' || n % 200 || '.' || n % 250 || '.1' END,
       'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
         || CASE WHEN n % $2 = 1 THEN ' Stolen/1' ELSE '' END,
       'sk-' || md5('1'), decode(repeat('00', 32), 'hex'), '{"theme": "dark", "locale": "en"}'
     FROM generate_series(1, $1::integer) AS n,
       LATERAL (SELECT now() - ($1 - n) * interval '7 days' / $1 AS opened) AS at`,
    [rows, RARE],
  );
  await client.query("VACUUM ANALYZE sessions");
  await client.end();
}

async function measure(client: SessionClient, what: string, filter: Filter): Promise<void> {
  const startedAt = performance.now();
  let [calls, found, longestMs, pageToken] = [0, 0, 0, ""];
  do {
    const askedAt = performance.now();
    const page = await client.listSessions({ filter, pageSize: PAGE_SIZE, pageToken });
    longestMs = Math.max(longestMs, performance.now() - askedAt);
    found += page.sessions.length;
    calls += 1;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const columns = [`${seconds} s`, `${calls} calls`, `longest ${longestMs.toFixed(0)} ms`];
  console.log(`${what.padEnd(28)} ${columns.join(", ").padEnd(40)} ${found} found`);
}

const { values } = parseArgs({ options: { rows: { type: "string", default: "1000000" } } });
const rows = Number(values.rows);
const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-search-"));
const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
const { client, stop } = await startReplica(postgres.url);
try {
  await fill(postgres.url, rows);
  console.log(`${rows} sessions`);
  const lastHour = timestampFromMs(Date.now() - HOUR_MS);
  const userAgentContains = "stolen";
  const filters: Readonly<Record<string, Filter>> = {
    address: { ipAddress: "198.51.100.7" },
    network: { ipAddress: "198.51.100.0/24" },
    "user agent": { userAgentContains },
    "tenant and user agent": { tenantId: "tenant-1", userAgentContains },
    "seen in the last hour": { seenSince: lastHour },
    "created in the last hour": { createdSince: lastHour },
  };
  for (const [what, filter] of Object.entries(filters)) await measure(client, what, filter);
} finally {
  await stop();
  await postgres.stop();
  await rm(dataDirectory, { recursive: true, force: true });
}
