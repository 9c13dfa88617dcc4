import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { chooseUser } from "../../packages/embedded-postgres/data-directory.ts";
import { findProgram } from "./programs.ts";
import { until } from "./until.ts";

/** Where PgBouncer is; undefined if it is not installed. */
export const pgbouncer = findProgram("pgbouncer", ["/usr/sbin"]);

export interface PgBouncer {
  /** The database's URL through PgBouncer. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the real PgBouncer in transaction mode, with this many connections to the database. */
export async function startPgBouncer(databaseUrl: string, poolSize: number): Promise<PgBouncer> {
  const target = new URL(databaseUrl);
  const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-pgbouncer-"));
  await chmod(directory, 0o755);
  // As PostgreSQL, it refuses to run as root.
  const runAs = await chooseUser(directory, join(directory, "none"));
  const port = await freePort();
  const config = join(directory, "pgbouncer.ini");
  const text = `
[databases]
* = host=${target.hostname} port=${target.port} user=${target.username} password=${target.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
server_login_retry = 0.1
${keepsPreparedStatements() ? "max_prepared_statements = 0" : ""}
`;
  await writeFile(config, text, { mode: 0o600 });
  if (runAs !== undefined) await chown(config, runAs.uid, runAs.gid);
  const child = spawn(pgbouncer as string, [config], {
    ...runAs,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
  });
  const ended = once(child, "close");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await until("PgBouncer accepts connections", async () => {
      if (child.exitCode !== null) throw new Error(said);
      return isServing(url.href);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: url.href, stop };
}

/** From version 1.21 on, unless the setting is 0. Older ones do not know the setting. */
function keepsPreparedStatements(): boolean {
  const said = execFileSync(pgbouncer as string, ["--version"], { encoding: "utf8" });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function isServing(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("SELECT 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}
