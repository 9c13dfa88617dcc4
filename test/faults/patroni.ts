import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { chooseUser } from "../../packages/embedded-postgres/data-directory.ts";
import { choosePort } from "../../packages/embedded-postgres/server.ts";
import { debianPostgres, findProgram } from "../support/programs.ts";
import { until } from "../support/until.ts";
import { processAndChildren, trySignal } from "./processes.ts";
import type { FaultDatabase, Sql } from "./server.ts";

/** How the primary goes away. */
export const FAILOVERS = ["switchover", "kill", "freeze"] as const;
export type Failover = (typeof FAILOVERS)[number];

const PASSWORD = "for-tests-only";
/** In seconds: how long a primary that says nothing keeps its role. */
export const LEASE_S = 20;

interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** What is missing here, for people; undefined if nothing is. */
export function missingForPatroni(): string | undefined {
  const missing = ["patroni", "etcd"].filter((name) => findProgram(name) === undefined);
  if (debianPostgres() === undefined) missing.push("Debian's PostgreSQL");
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
}

/** One of the two machines: Patroni, and the PostgreSQL that it runs. */
class Node {
  readonly name: string;
  readonly port: number;
  readonly apiUrl: string;
  readonly #directory: string;
  readonly #runAs: RunAs | undefined;
  #patroni: ChildProcess | undefined;
  #log = "";

  constructor(
    name: string,
    directory: string,
    port: number,
    apiPort: number,
    runAs: RunAs | undefined,
  ) {
    this.name = name;
    this.port = port;
    this.apiUrl = `http://127.0.0.1:${apiPort}`;
    this.#directory = directory;
    this.#runAs = runAs;
  }

  get log(): string {
    return this.#log.slice(-8000);
  }

  async configure(etcdPort: number, bin: string): Promise<void> {
    await mkdir(this.#directory);
    // JSON is YAML.
    const config = JSON.stringify({
      scope: "sessiond-faults",
      name: this.name,
      restapi: listenOn(Number(new URL(this.apiUrl).port)),
      etcd: { host: `127.0.0.1:${etcdPort}` },
      bootstrap: {
        dcs: {
          // Patroni's rule: loop_wait + 2 * retry_timeout is at most ttl.
          ttl: LEASE_S,
          loop_wait: 5,
          retry_timeout: 5,
          primary_start_timeout: 0,
          synchronous_mode: true,
          // With it, a promoted primary would take no write until the other machine is back.
          synchronous_mode_strict: false,
          postgresql: { use_pg_rewind: true, parameters: { max_connections: 200 } },
        },
        initdb: [{ encoding: "UTF8" }, { locale: "C" }, "data-checksums"],
      },
      postgresql: {
        ...listenOn(this.port),
        data_dir: join(this.#directory, "data"),
        bin_dir: bin,
        pgpass: join(this.#directory, "pgpass"),
        authentication: {
          superuser: { username: "postgres", password: PASSWORD },
          replication: { username: "replicator", password: PASSWORD },
          rewind: { username: "rewinder", password: PASSWORD },
        },
        parameters: { unix_socket_directories: this.#directory },
        pg_hba: [
          "host all all 127.0.0.1/32 scram-sha-256",
          "host replication replicator 127.0.0.1/32 scram-sha-256",
        ],
      },
    });
    const file = join(this.#directory, "patroni.json");
    await writeFile(file, config, { mode: 0o600 });
    for (const path of [this.#directory, file]) await give(path, this.#runAs);
    await chmod(this.#directory, 0o700);
  }

  start(): void {
    const child = spawn(findProgram("patroni") as string, [join(this.#directory, "patroni.json")], {
      ...this.#runAs,
      cwd: this.#directory,
      env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#log += chunk;
    });
    this.#patroni = child;
  }

  /** Ends everything on the machine at once. */
  async kill(): Promise<void> {
    const child = this.#patroni;
    this.signal("SIGKILL");
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      await once(child, "exit");
    }
    this.#patroni = undefined;
  }

  /** To Patroni first, so that it does not start PostgreSQL again. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this.#patroni ?? {};
    if (pid !== undefined) trySignal(pid, name);
    for (const process of this.#postgresProcesses()) trySignal(process, name);
  }

  #postgresProcesses(): readonly number[] {
    const postmaster = this.#postmaster();
    return postmaster === undefined ? [] : processAndChildren(postmaster);
  }

  #postmaster(): number | undefined {
    try {
      const [pid] = readFileSync(join(this.#directory, "data/postmaster.pid"), "latin1").split(
        "\n",
      );
      return Number(pid);
    } catch {
      return undefined;
    }
  }
}

/** Two PostgreSQL with synchronous replication, of which Patroni keeps one the primary, by etcd. */
export class PatroniCluster implements AsyncDisposable {
  /** Names both machines. */
  readonly url: string;
  readonly #nodes: readonly [Node, Node];
  readonly #stack: AsyncDisposableStack;

  private constructor(nodes: readonly [Node, Node], stack: AsyncDisposableStack) {
    this.#nodes = nodes;
    this.#stack = stack;
    const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join(",");
    this.url = `postgres://postgres:${PASSWORD}@${hosts}/postgres?target_session_attrs=read-write`;
  }

  static async start(): Promise<PatroniCluster> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-patroni-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    await chmod(directory, 0o755);
    const runAs = await chooseUser(directory, join(directory, "none"));
    const etcdPort = await startEtcd(join(directory, "etcd"), stack);
    const bin = join(debianPostgres() as string, "bin");
    const nodeAt = async (name: string) => {
      const [port, apiPort] = [await freePort(), await freePort()];
      const node = new Node(name, join(directory, name), port, apiPort, runAs);
      await node.configure(etcdPort, bin);
      stack.defer(() => node.kill());
      return node;
    };
    const nodes = [await nodeAt("one"), await nodeAt("two")] as const;
    for (const node of nodes) node.start();
    const cluster = new PatroniCluster(nodes, stack.move());
    await cluster.untilSynchronous();
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  /** Until one machine is the primary and the other one its synchronous standby. */
  async untilSynchronous(): Promise<void> {
    try {
      await until("a primary and its synchronous standby", async () => {
        const roles = (await this.#members()).map(({ role, state }) => `${role} ${state}`);
        return roles.toSorted().join() === "leader running,sync_standby running";
      });
    } catch (error) {
      const logs = this.#nodes.map(({ name, log }) => `${name}: ${log}`).join("\n");
      throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
    }
  }

  /**
   * Makes the other machine the primary. Resolves when that is under way, with what brings the former
   * primary back.
   */
  async failOver(kind: Failover): Promise<() => Promise<void>> {
    const leader = (await this.#members()).find(({ role }) => role === "leader")?.name;
    const isLeader = ({ name }: Node) => name === leader;
    const [former, other] = [
      this.#nodes.find(isLeader),
      this.#nodes.find((node) => !isLeader(node)),
    ];
    if (former === undefined || other === undefined) throw new Error("there is no primary");
    switch (kind) {
      case "switchover": {
        const body = JSON.stringify({ leader: former.name, candidate: other.name });
        const response = await fetch(`${former.apiUrl}/switchover`, { method: "POST", body });
        if (!response.ok) throw new Error(`no switchover: ${await response.text()}`);
        return async () => {};
      }
      case "kill":
        await former.kill();
        return async () => former.start();
      case "freeze":
        former.signal("SIGSTOP");
        return async () => former.signal("SIGCONT");
    }
  }

  /** A database of the cluster, whose statements go to whichever machine is the primary. */
  async createDatabase(): Promise<FaultDatabase> {
    const name = `faults_${randomBytes(6).toString("hex")}`;
    const connect = (database: string) => async () => {
      for (const { port } of this.#nodes) {
        const connectionString = `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${database}`;
        const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2000 });
        client.on("error", () => {});
        try {
          await client.connect();
          const { rows } = await client.query("SELECT pg_is_in_recovery() AS standby");
          if (rows[0].standby === false) return client;
        } catch {}
        await client.end();
      }
      return undefined;
    };
    const run = async (database: string, text: string, values: readonly unknown[] = []) => {
      const client = await until("there is a primary", connect(database));
      return client.query(text, [...values]).finally(() => client.end());
    };
    const sql: Sql = async (text, values) => (await run(name, text, values)).rows;
    await run("postgres", `CREATE DATABASE ${name} TEMPLATE template0`);
    return {
      url: this.url.replace("/postgres?", `/${name}?`),
      name,
      sql,
      connect: () => until("there is a primary", connect(name)),
      close: async () => {},
    };
  }

  async #members(): Promise<readonly { name: string; role: string; state: string }[]> {
    for (const { apiUrl } of this.#nodes) {
      try {
        const response = await fetch(`${apiUrl}/cluster`, { signal: AbortSignal.timeout(2000) });
        return ((await response.json()) as { members: [] }).members;
      } catch {}
    }
    return [];
  }
}

async function startEtcd(directory: string, stack: AsyncDisposableStack): Promise<number> {
  const [port, peerPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    findProgram("etcd") as string,
    [
      ...["--data-dir", directory, "--unsafe-no-fsync", "--enable-v2", "--log-level", "error"],
      ...["--listen-client-urls", url, "--advertise-client-urls", url],
      ...["--listen-peer-urls", `http://127.0.0.1:${peerPort}`],
    ],
    { stdio: "ignore" },
  );
  stack.defer(async () => {
    if (child.exitCode === null && child.kill("SIGKILL")) await once(child, "exit");
  });
  await until("etcd answers", async () => {
    return fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return port;
}

function listenOn(port: number) {
  return { listen: `127.0.0.1:${port}`, connect_address: `127.0.0.1:${port}` };
}

/** Below those for outgoing connections. */
function freePort(): Promise<number> {
  return choosePort("/nonexistent");
}

async function give(path: string, runAs: RunAs | undefined): Promise<void> {
  if (runAs !== undefined) await chown(path, runAs.uid, runAs.gid);
}
