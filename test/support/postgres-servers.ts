import { execFile } from "node:child_process";
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  realpath,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { chooseUser } from "../../packages/embedded-postgres/data-directory.ts";
import { choosePort } from "../../packages/embedded-postgres/server.ts";
import type { TestDatabase } from "./database.ts";
import { debianPostgres } from "./programs.ts";

const PASSWORD = "for-tests-only";

/** Whether a test that needs Debian's PostgreSQL is skipped. With REQUIRE_HA=1 it fails without. */
export const lacksDebianPostgres = debianPostgres() === undefined && process.env.REQUIRE_HA !== "1";

/** Several servers of Debian's PostgreSQL, with its tools for backups and replication. */
export class PostgresServers implements AsyncDisposable {
  readonly directory: string;
  readonly #bin: string;
  readonly #runAs: { readonly uid: number; readonly gid: number } | undefined;
  readonly #servers: PostgresServer[] = [];

  private constructor(directory: string, bin: string, runAs: PostgresServers["runAs"]) {
    this.directory = directory;
    this.#bin = bin;
    this.#runAs = runAs;
  }

  /** PostgreSQL does not run as root. */
  get runAs() {
    return this.#runAs;
  }

  static async open(): Promise<PostgresServers> {
    const native = debianPostgres();
    if (native === undefined) throw new Error("Debian's PostgreSQL is not installed");
    const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-servers-"));
    await chmod(directory, 0o755);
    const runAs = await chooseUser(directory, join(directory, "none"));
    if (runAs !== undefined) await chown(directory, runAs.uid, runAs.gid);
    return new PostgresServers(directory, join(native, "bin"), runAs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.stop("immediate").catch(() => {});
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Runs one of PostgreSQL's programs and returns what it has printed. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(join(this.#bin, program), [...args], {
      ...this.#runAs,
      cwd: this.directory,
      env: { PATH: process.env.PATH, PGPASSWORD: PASSWORD },
      maxBuffer: 1 << 30,
    });
    return stdout;
  }

  /** A new server, which runs. */
  async create(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
    const data = this.#newDirectory();
    const passwordFile = join(this.directory, "password");
    await writeFile(passwordFile, PASSWORD);
    await this.run(
      "initdb",
      `--pgdata=${data}`,
      ...["--username=postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"],
      ...["--encoding=UTF8", "--locale=C", "--no-sync"],
    );
    const server = await this.#at(data);
    await server.configure({ fsync: "off", max_connections: "60", ...settings });
    await server.start();
    return server;
  }

  /** A base backup of the server, which does not run yet. */
  async baseBackup(of: PostgresServer, ...options: readonly string[]): Promise<PostgresServer> {
    const data = this.#newDirectory();
    const from = `--dbname=${of.url}`;
    await this.run("pg_basebackup", from, `--pgdata=${data}`, "--checkpoint=fast", ...options);
    return this.#at(data);
  }

  /** A standby of the server, which runs. */
  async standby(of: PostgresServer): Promise<PostgresServer> {
    const server = await this.baseBackup(of, "--write-recovery-conf", "--wal-method=stream");
    await server.start();
    return server;
  }

  /** A directory that PostgreSQL may write to. */
  async newDirectory(): Promise<string> {
    const directory = this.#newDirectory();
    await mkdir(directory);
    if (this.#runAs !== undefined) await chown(directory, this.#runAs.uid, this.#runAs.gid);
    return directory;
  }

  #count = 0;

  #newDirectory(): string {
    this.#count += 1;
    return join(this.directory, `${this.#count}`);
  }

  async #at(data: string): Promise<PostgresServer> {
    const server = new PostgresServer(this, data, await choosePort(join(data, "none")));
    this.#servers.push(server);
    return server;
  }
}

export class PostgresServer {
  readonly data: string;
  readonly port: number;
  readonly url: string;
  readonly #servers: PostgresServers;

  constructor(servers: PostgresServers, data: string, port: number) {
    this.#servers = servers;
    this.data = data;
    this.port = port;
    this.url = `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`;
  }

  /** Settings for the next start. */
  async configure(settings: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    await appendFile(join(this.data, "postgresql.conf"), lines.join(""));
  }

  /** Starts it, and waits until it accepts connections. */
  async start(): Promise<void> {
    const options = `-p ${this.port} -k '' -c listen_addresses=127.0.0.1`;
    const log = join(this.data, "server.log");
    await this.#control("start", "--wait", "--timeout=120", `--log=${log}`, `--options=${options}`);
  }

  async stop(mode: "fast" | "immediate"): Promise<void> {
    await this.#control("stop", "--wait", `--mode=${mode}`);
  }

  /** Whether it is a standby from its next start on. */
  async setStandby(isStandby: boolean): Promise<void> {
    const signal = join(this.data, "standby.signal");
    await (isStandby ? writeFile(signal, "") : rm(signal));
  }

  /** Replays archived changes at its next start, up to the target that the settings name, and goes on. */
  async recoverWith(settings: Readonly<Record<string, string>>): Promise<void> {
    await writeFile(join(this.data, "recovery.signal"), "");
    await this.configure({ recovery_target_action: "promote", archive_mode: "off", ...settings });
  }

  /** Makes a primary of a standby, and waits until it is one. */
  async promote(): Promise<void> {
    await this.#control("promote", "--wait");
  }

  /** Runs a statement on a connection of its own. */
  readonly sql: TestDatabase["sql"] = async (text, values = []) => {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query(text, [...values])).rows;
    } finally {
      await client.end();
    }
  };

  async #control(command: string, ...options: readonly string[]): Promise<void> {
    await this.#servers.run("pg_ctl", command, `--pgdata=${this.data}`, "--silent", ...options);
  }
}
