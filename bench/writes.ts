import { join } from "node:path";
import { copySessions } from "./bulk.ts";
import type { Context } from "./context.ts";
import { checkpoint, type Sql } from "./database.ts";
import type { Fixture } from "./fixture.ts";
import { measure } from "./measure.ts";
import { findPgbench, type InsertedIds, PGBENCH_MISSING, pgbenchInserts } from "./pgbench.ts";
import { writeRequestsFor } from "./requests.ts";
import { quantile, ratio, type Spread, spreadOf } from "./statistics.ts";

const IN_FLIGHT = 64;
const FEW = 20_000;
const CLIENTS = [8, 32];

const PLAIN = "bench_plain";
const WITH_KEY = "bench_with_foreign_key";
const RANDOM_IDS = "bench_random_ids";

export interface TouchedRows {
  readonly sessions: number;
  readonly updates: number;
  readonly heapOnly: number;
}

export interface InsertSample {
  readonly table: string;
  readonly ids: InsertedIds;
  readonly foreignKey: boolean;
  readonly clients: number;
  readonly round: number;
  readonly rows: number;
  readonly perSecond: number;
  readonly p99Us: number | undefined;
  readonly walBytesPerRow: number;
  /** The multixacts that were used during the measurement, in the whole server. */
  readonly multixacts: number;
  /** The growth of the primary key's index for each row. */
  readonly primaryKeyBytesPerRow: number;
}

export interface WritesResult {
  readonly touches: readonly TouchedRows[];
  readonly inserts: readonly InsertSample[];
}

/** Measures the heap-only share of touches, and the cost of a foreign key and of random ids in inserts. */
export async function measureWrites(context: Context, fixture: Fixture): Promise<WritesResult> {
  return {
    touches: await measureTouches(context, fixture),
    inserts: await measureInsertions(context, fixture),
  };
}

async function measureTouches(context: Context, fixture: Fixture): Promise<TouchedRows[]> {
  const few = await fixture.sql("SELECT id FROM sessions ORDER BY random() LIMIT $1", [FEW]);
  const fewFile = await writeRequestsFor(
    "touch",
    few.map(({ id }) => id as string),
    join(fixture.directory, "few-touch.requests"),
    fixture.credentials,
  );
  const all = { sessions: fixture.count, file: await fixture.requests("touch") };
  const results: TouchedRows[] = [];
  // Of all rows, most are touched at most once. Of a few rows, each is touched many times, as rows of
  // active users are.
  for (const { sessions, file } of [all, { sessions: few.length, file: fewFile }]) {
    await context.progress.phase(`touches of ${sessions} sessions`, async () => {
      results.push({ sessions, ...(await touchAll(context, fixture, file)) });
    });
  }
  return results;
}

async function touchAll(context: Context, fixture: Fixture, file: string) {
  const before = await updates(fixture.sql);
  const command = fixture.sessiond({ SESSIOND_TOUCH_INTERVAL: "0s" });
  await context.withServer(command, async (server) => {
    const target = {
      system: "touch",
      path: "/sessiond.v1.SessionService/Touch",
      protocol: "grpc",
      requests: file,
      order: "random",
    } as const;
    const durationMs = context.options.durationMs * 2;
    await measure(context, server, target, { inFlight: IN_FLIGHT, round: 1, durationMs });
  });
  // sessiond has stopped, so its connections are closed and PostgreSQL has their statistics.
  const after = await updates(fixture.sql);
  return { updates: after.all - before.all, heapOnly: after.heapOnly - before.heapOnly };
}

async function updates(sql: Sql): Promise<{ all: number; heapOnly: number }> {
  await sql("SELECT pg_stat_clear_snapshot()");
  const [row] = await sql(
    `SELECT n_tup_upd AS all, n_tup_hot_upd AS heap_only FROM pg_stat_user_tables
     WHERE relid = 'sessions'::regclass`,
  );
  return { all: Number(row?.all), heapOnly: Number(row?.heap_only) };
}

async function measureInsertions(context: Context, fixture: Fixture): Promise<InsertSample[]> {
  const { progress, options } = context;
  const { sql } = fixture;
  const pgbench = await findPgbench();
  if (pgbench === undefined) {
    progress.note(PGBENCH_MISSING);
    return [];
  }
  await progress.phase("tables to insert into", async () => {
    for (const table of [PLAIN, WITH_KEY, RANDOM_IDS]) await copySessions(sql, table);
    await sql(`ALTER TABLE ${WITH_KEY} ADD FOREIGN KEY (signing_key_id) REFERENCES signing_keys`);
  });
  const samples: InsertSample[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const clients of CLIENTS) {
      for (const table of [PLAIN, WITH_KEY, RANDOM_IDS]) {
        const title = `insertions, round ${round} of ${options.rounds}: ${table}, ${clients} clients`;
        await progress.phase(title, async () => {
          samples.push(await insert(context, fixture, pgbench, { table, clients, round }));
        });
      }
    }
  }
  for (const table of [PLAIN, WITH_KEY, RANDOM_IDS]) await sql(`DROP TABLE ${table}`);
  return samples;
}

async function insert(
  context: Context,
  { sql, url, credentials }: Fixture,
  pgbench: string,
  { table, clients, round }: { table: string; clients: number; round: number },
): Promise<InsertSample> {
  const ids = table === RANDOM_IDS ? "random" : "ordered";
  await checkpoint(sql);
  const before = await counters(sql, table);
  const result = await pgbenchInserts(pgbench, context, {
    databaseUrl: url,
    table,
    ids,
    signingKeyId: credentials.signingKeyId,
    clients,
    durationMs: context.options.durationMs,
  });
  const after = await counters(sql, table);
  const grown = (name: string) => Number(after[name]) - Number(before[name]);
  return {
    table,
    ids,
    foreignKey: table === WITH_KEY,
    clients,
    round,
    rows: result.calls,
    perSecond: result.perSecond,
    p99Us: quantile(result.latenciesUs, 0.99),
    walBytesPerRow: grown("wal") / result.calls,
    multixacts: grown("multixacts"),
    primaryKeyBytesPerRow: grown("primary_key") / result.calls,
  };
}

async function counters(sql: Sql, table: string) {
  const [row] = await sql(
    `SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal,
       mxid_age(datminmxid) AS multixacts,
       (SELECT pg_relation_size(indexrelid) FROM pg_index
        WHERE indrelid = $1::regclass AND indisprimary) AS primary_key
     FROM pg_database WHERE datname = current_database()`,
    [table],
  );
  if (row === undefined) throw new Error("the current database is not in pg_database");
  return row;
}

export function heapOnlyShare({ updates, heapOnly }: TouchedRows): number | undefined {
  return ratio(heapOnly, updates);
}

/** The ratio of a figure of two tables, of the same round. */
export function insertRatio(
  samples: readonly InsertSample[],
  clients: number,
  of: string,
  against: string,
  figure: "perSecond" | "walBytesPerRow",
): Spread | undefined {
  const value = (table: string, round: number) =>
    samples.find((s) => s.table === table && s.clients === clients && s.round === round)?.[figure];
  const rounds = [...new Set(samples.map(({ round }) => round))];
  return spreadOf(rounds.map((round) => ratio(value(of, round), value(against, round))));
}

export function writesLines({ touches, inserts }: WritesResult): string[] {
  const touched = touches.map((rows) => {
    const share = heapOnlyShare(rows);
    const percent = share === undefined ? "–" : `${(share * 100).toFixed(1)} %`;
    return `touches of ${rows.sessions} sessions: ${percent} of ${rows.updates} updates heap-only`;
  });
  const inserted = inserts.map(
    (s) =>
      `insertions into ${s.table}, ${s.clients} clients: ${Math.round(s.perSecond)}/s, ` +
      `${Math.round(s.walBytesPerRow)} B of log and ${Math.round(s.primaryKeyBytesPerRow)} B of ` +
      `primary key for each, ${s.multixacts} multixacts in ${s.rows} rows`,
  );
  const compared = [...new Set(inserts.map(({ clients }) => clients))].map((clients) => {
    const show = (spread: Spread | undefined) => spread?.median.toFixed(2) ?? "–";
    const key = insertRatio(inserts, clients, WITH_KEY, PLAIN, "perSecond");
    const random = insertRatio(inserts, clients, RANDOM_IDS, PLAIN, "perSecond");
    const wal = insertRatio(inserts, clients, RANDOM_IDS, PLAIN, "walBytesPerRow");
    return (
      `${clients} clients: with the foreign key ${show(key)} times as many insertions; ids in ` +
      `random order ${show(random)} times as many, with ${show(wal)} times the log`
    );
  });
  return [...touched, ...inserted, ...compared];
}
