import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../packages/embedded-postgres/index.ts";
import { until } from "../support/until.ts";
import { parentOf, processAndChildren, trySignal } from "./processes.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

export type Sql = <Row extends pg.QueryResultRow = pg.QueryResultRow>(
  text: string,
  values?: readonly unknown[],
) => Promise<Row[]>;

export interface FaultDatabase {
  readonly url: string;
  readonly name: string;
  /** Runs SQL beside sessiond. */
  readonly sql: Sql;
  /** Opens a connection of its own, for locks. */
  connect(): Promise<pg.Client>;
  close(): Promise<void>;
}

/** How to end PostgreSQL without any warning. */
export const KILLS = [
  "SIGKILL of the server",
  "immediate shutdown",
  "SIGKILL of a backend",
] as const;
export type Kill = (typeof KILLS)[number];

/** A durable PostgreSQL of the suite's own, which can be killed and stopped. */
export class FaultServer implements AsyncDisposable {
  readonly #postgres: EmbeddedPostgres;

  private constructor(postgres: EmbeddedPostgres) {
    this.#postgres = postgres;
  }

  static async start(): Promise<FaultServer> {
    const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-faults-"));
    // If this process runs as root, PostgreSQL runs as another user, who needs access.
    await chmod(directory, 0o755);
    const settings = { max_connections: "300" };
    const postgres = await startEmbeddedPostgres({ dataDirectory: directory, settings });
    const server = new FaultServer(postgres);
    // It is written when a process ends by itself, which not every replica does.
    const env = { ...process.env, NODE_COMPILE_CACHE: server.compileCache };
    await promisify(execFile)(process.execPath, [MAIN, "--help"], { env });
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#postgres.stop();
    await rm(this.#postgres.dataDirectory, { recursive: true, force: true });
  }

  /** Of Node. With it, replicas start in half the time, which leaves the processors to the others. */
  get compileCache(): string {
    return join(this.dataDirectory, "compile-cache");
  }

  get dataDirectory(): string {
    return this.#postgres.dataDirectory;
  }

  /** @param options of CREATE DATABASE */
  async createDatabase(options = ""): Promise<FaultDatabase> {
    const name = `faults_${randomBytes(6).toString("hex")}`;
    await this.admin(`CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
    const url = new URL(this.#postgres.url);
    url.pathname = `/${name}`;
    const pool = new pg.Pool({ connectionString: url.href, max: 4 });
    pool.on("error", () => {});
    return {
      url: url.href,
      name,
      sql: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
        (await pool.query<Row>(text, [...values])).rows,
      async connect() {
        const client = new pg.Client({ connectionString: url.href });
        client.on("error", () => {});
        await client.connect();
        return client;
      },
      close: async () => {
        await pool.end();
        await this.admin(`DROP DATABASE ${name} WITH (FORCE)`);
      },
    };
  }

  /** Runs a statement in the server's own database. */
  async admin(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#postgres.url });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  }

  /** Ends the server and waits until it is up again, on the same port. */
  async kill(kill: Kill, database: FaultDatabase): Promise<void> {
    const witness = await database.connect();
    // Not `once` of node:events, which rejects with the error that comes first.
    const ended = new Promise((resolve) => witness.once("end", resolve));
    await this.#end(kill, database);
    // Without it, the server that is about to end could be taken for the new one.
    await ended;
    await this.#untilUp();
  }

  async #end(kill: Kill, database: FaultDatabase): Promise<void> {
    if (kill !== "SIGKILL of a backend") {
      process.kill(this.#postgres.pid, kill === "immediate shutdown" ? "SIGQUIT" : "SIGKILL");
      return;
    }
    // The server then ends all others and recovers, because shared memory may be corrupt.
    const [row] = await database.sql<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sessiond'
       ORDER BY state = 'active' DESC LIMIT 1`,
    );
    if (row === undefined) throw new Error("sessiond has no connection to the database");
    process.kill(row.pid, "SIGKILL");
  }

  /** Until the server accepts connections, and its present process is known. */
  async #untilUp(): Promise<void> {
    const answers = () =>
      this.admin("SELECT 1").then(
        () => true,
        () => false,
      );
    await until("PostgreSQL accepts connections", async () => {
      return parentOf(this.#postgres.pid) !== undefined && (await answers());
    });
  }

  /** Stops all processes of the server. They exist, and their connections are open. */
  suspend(): void {
    for (const pid of processAndChildren(this.#postgres.pid)) trySignal(pid, "SIGSTOP");
  }

  resume(): void {
    for (const pid of processAndChildren(this.#postgres.pid)) trySignal(pid, "SIGCONT");
  }
}
