import { accessSync, constants } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { runProgram } from "./child.ts";
import type { Context } from "./context.ts";
import { SEEDED_APP, SESSION_ID_SQL, USER_AGENT } from "./seed.ts";

export const PGBENCH_MISSING =
  "there is no pgbench: it is in Debian's postgresql-contrib, Fedora's postgresql-contrib and " +
  "Homebrew's postgresql@18; what it is compared with is left out";

const DEBIAN = "/usr/lib/postgresql";

/** Finds pgbench on PATH or where Debian installs it. Undefined if there is none. */
export async function findPgbench(): Promise<string | undefined> {
  const versions = await readdir(DEBIAN).catch(() => []);
  // Debian's directories come first, because Debian's pgbench on PATH is a Perl wrapper.
  const directories = [
    ...versions
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(DEBIAN, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  return directories.map((directory) => join(directory, "pgbench")).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Ids as in sessiond, which begin with the time, or random ones. */
export type InsertedIds = "ordered" | "random";

const NOW_MS = "extract(epoch FROM statement_timestamp()) * 1000";
const ID_SQL: Readonly<Record<InsertedIds, string>> = {
  ordered: SESSION_ID_SQL(NOW_MS),
  random: "'ses-' || md5(gen_random_uuid()::text) || substr(md5(random()::text), 1, 12)",
};

/** Inserts one row like those of Create. The server generates the values, which is cheap. */
function insertScript(table: string, ids: InsertedIds, signingKeyId: string): string {
  return `\\set actor random(1, 1000000000000)
INSERT INTO ${table} (id, tenant_id, actor_type, actor_id, app_type, pre_login, created_at,
  last_seen_at, idle_timeout_seconds, absolute_expires_at, ip_address, user_agent, signing_key_id,
  csrf_token_hash, metadata)
VALUES (${ID_SQL[ids]}, 'default', 'user', 'user-' || :actor, '${SEEDED_APP}', false,
  statement_timestamp(), statement_timestamp(), 1800,
  statement_timestamp() + interval '12 hours', '198.51.100.7', '${USER_AGENT}', '${signingKeyId}',
  sha256(int8send(:actor::bigint)), '{"theme": "dark"}');
`;
}

export interface InsertOptions {
  readonly databaseUrl: string;
  readonly table: string;
  readonly ids: InsertedIds;
  readonly signingKeyId: string;
  readonly clients: number;
  readonly durationMs: number;
}

export interface InsertResult {
  readonly calls: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** The latency of each insert in microseconds, sorted. */
  readonly latenciesUs: readonly number[];
}

/** Inserts single rows, each in its own transaction, with `clients` connections. */
export async function pgbenchInserts(
  pgbench: string,
  context: Pick<Context, "directory" | "signal">,
  options: InsertOptions,
): Promise<InsertResult> {
  const directory = await mkdtemp(join(context.directory, "pgbench-"));
  try {
    const script = join(directory, "insert.sql");
    await writeFile(script, insertScript(options.table, options.ids, options.signingKeyId));
    const { args, password } = connection(options.databaseUrl);
    const seconds = Math.max(1, Math.round(options.durationMs / 1000));
    const { code, stdout, stderr } = await runProgram(
      pgbench,
      [
        ...args,
        "--no-vacuum",
        "--protocol=prepared",
        `--file=${script}`,
        `--client=${options.clients}`,
        "--jobs=1",
        `--time=${seconds}`,
        "--log",
        `--log-prefix=${join(directory, "log")}`,
      ],
      { env: { PATH: process.env.PATH ?? "", PGPASSWORD: password }, signal: context.signal },
    );
    if (code !== 0) throw new Error(`pgbench failed (${code}): ${stderr.trim()}`);
    const latenciesUs = await readLatencies(directory);
    return { ...parseReport(stdout), latenciesUs };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function connection(databaseUrl: string): { args: string[]; password: string } {
  const url = new URL(databaseUrl);
  return {
    args: [
      `--host=${url.hostname}`,
      `--port=${url.port || "5432"}`,
      `--username=${decodeURIComponent(url.username)}`,
      decodeURIComponent(url.pathname.slice(1)),
    ],
    password: decodeURIComponent(url.password),
  };
}

/** Parses pgbench's report. The throughput is without the time to connect. */
export function parseReport(report: string): Omit<InsertResult, "latenciesUs"> {
  const number = (pattern: RegExp): number => {
    const text = pattern.exec(report)?.[1];
    if (text === undefined) throw new Error(`pgbench did not report ${pattern}: ${report}`);
    return Number(text);
  };
  const calls = number(/^number of transactions actually processed: (\d+)/m);
  const perSecond = number(/^tps = ([\d.]+) \(without initial connection time\)/m);
  return { calls, perSecond, seconds: calls / perSecond };
}

async function readLatencies(directory: string): Promise<number[]> {
  const latencies: number[] = [];
  for (const name of await readdir(directory)) {
    if (!name.startsWith("log")) continue;
    const lines = (await readFile(join(directory, name), "utf8")).trim().split("\n");
    // client, transaction, latency in microseconds, …
    for (const line of lines) latencies.push(Number(line.split(" ")[2]));
  }
  return latencies.sort((a, b) => a - b);
}
