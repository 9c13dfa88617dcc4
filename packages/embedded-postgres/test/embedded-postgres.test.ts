import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import pg from "pg";
import { findNativeDirectory } from "../binaries.ts";
import {
  DataDirectoryInUseError,
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "../index.ts";
import { LOCK_KEY } from "../lock.ts";
import { isPostmaster, readPidFile } from "../pid-file.ts";
import type { OwnerReport } from "./owner.ts";

const OWNER = path.join(import.meta.dirname, "owner.ts");
const asRoot = process.getuid?.() === 0;
const itAsRoot = asRoot ? it : it.skip;
const itOnLinux = process.platform === "linux" ? it : it.skip;

type StartedReport = Extract<OwnerReport, { started: true }>;
type RefusedReport = Extract<OwnerReport, { started: false }>;

interface Owner {
  readonly child: ChildProcess;
  readonly report: Promise<OwnerReport>;
}

describe("embedded PostgreSQL", () => {
  const directories: string[] = [];
  const servers: EmbeddedPostgres[] = [];
  const children: ChildProcess[] = [];

  async function temporaryDirectory(): Promise<string> {
    const directory = await fs.mkdtemp(
      path.join(await fs.realpath(os.tmpdir()), "embedded-postgres-test-"),
    );
    directories.push(directory);
    return directory;
  }

  async function start(
    dataDirectory: string,
    options: Partial<EmbeddedPostgresOptions> = {},
  ): Promise<EmbeddedPostgres> {
    const server = await startEmbeddedPostgres({ dataDirectory, ...options });
    servers.push(server);
    return server;
  }

  function startOwner(dataDirectory: string, options: { detached?: boolean } = {}): Owner {
    const child = fork(OWNER, [dataDirectory], { ...options, stdio: ["ignore", 1, 2, "ipc"] });
    children.push(child);
    const report = Promise.race([
      once(child, "message").then(([message]) => message as OwnerReport),
      once(child, "exit").then(([code, signal]) => {
        throw new Error(`the owner ended without a report (${code ?? signal})`);
      }),
    ]);
    report.catch(() => {});
    return { child, report };
  }

  async function started(owner: Owner): Promise<StartedReport> {
    const report = await owner.report;
    if (!report.started) throw new Error(report.message);
    return report;
  }

  async function kill(owner: Owner): Promise<void> {
    const exit = once(owner.child, "exit");
    owner.child.kill("SIGKILL");
    await exit;
  }

  async function refusal(promise: Promise<unknown>): Promise<Error> {
    return await promise.then(
      () => {
        throw new Error("it was not refused");
      },
      (error: unknown) => error as Error,
    );
  }

  async function runningPids(directory: string): Promise<number[]> {
    const found: number[] = [];
    for (const name of await fs.readdir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const command = await fs.readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
      const cwd = await fs.readlink(`/proc/${name}/cwd`).catch(() => "");
      const below = cwd === directory || cwd.startsWith(directory + path.sep);
      if (below || (command.includes(directory) && !command.includes(OWNER))) {
        found.push(Number(name));
      }
    }
    return found;
  }

  afterEach(async () => {
    // Everything, even if a part of it fails: a server that is left would go on for ever.
    const failures: unknown[] = [];
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      await work().catch((error: unknown) => failures.push(error));
    };
    for (const child of children.splice(0)) {
      await attempt(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exit = once(child, "exit");
        child.kill("SIGKILL");
        await exit;
      });
    }
    for (const server of servers.splice(0)) await attempt(() => server.stop());
    for (const directory of directories.splice(0)) {
      await attempt(async () => {
        const cluster = path.join(directory, "postgres");
        const file = readPidFile(cluster);
        if (file !== undefined && isPostmaster(file.pid, cluster)) {
          process.kill(file.pid, "SIGQUIT");
          await eventually(async () => !isPostmaster(file.pid, cluster));
        }
        if (process.platform === "linux") {
          await eventually(async () => (await runningPids(directory)).length === 0);
        }
      });
      await attempt(() => fs.rm(directory, { recursive: true, force: true }));
    }
    if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
  });

  describe("life cycle", () => {
    it("creates a cluster, stops it, and finds the data again", async () => {
      const directory = path.join(await temporaryDirectory(), "deep", "data");
      if (asRoot) await fs.chmod(path.dirname(path.dirname(directory)), 0o711);
      const first = await start(directory);
      expect(first.found).to.equal("created");
      expect(first.dataDirectory).to.equal(directory);
      expect(first.port).to.be.within(1024, 32_767);
      expect(first.url).to.match(
        new RegExp(
          `^postgres://postgres:[A-Za-z0-9_-]{43}@127\\.0\\.0\\.1:${first.port}/postgres$`,
        ),
      );
      await run(first.url, "CREATE TABLE kept (n int)");
      await run(first.url, "INSERT INTO kept VALUES (42)");
      await Promise.all([first.stop(), first.stop()]);
      await first.stop();
      expect(readPidFile(path.join(directory, "postgres"))).to.equal(undefined);

      const second = await start(directory);
      expect(second.found).to.equal("stopped");
      expect(second.url).to.equal(first.url);
      expect(await run(second.url, "SELECT n FROM kept")).to.deep.equal([{ n: 42 }]);
    });

    it("lets nobody else in: modes, password, TCP on loopback only", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory);
      const mode = async (name: string): Promise<number> =>
        (await fs.stat(path.join(directory, name))).mode & 0o777;
      expect(await mode(".")).to.equal(asRoot ? 0o711 : 0o700);
      expect(await mode("postgres")).to.equal(0o700);
      expect(await mode("postgres-password")).to.equal(0o600);
      expect(await mode("postgres.log")).to.equal(0o600);

      const wrong = new URL(server.url);
      wrong.password = "wrong";
      expect(await refusal(run(wrong.href, "SELECT 1"))).to.include({ code: "28P01" });
      expect(
        await run(
          server.url,
          `SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses',
             'unix_socket_directories', 'server_encoding', 'data_checksums', 'fsync',
             'password_encryption') ORDER BY name`,
        ),
      ).to.deep.equal([
        { name: "data_checksums", setting: "on" },
        { name: "fsync", setting: "on" },
        { name: "listen_addresses", setting: "127.0.0.1" },
        { name: "password_encryption", setting: "scram-sha-256" },
        { name: "server_encoding", setting: "UTF8" },
        { name: "unix_socket_directories", setting: "" },
      ]);
      expect(
        await run(server.url, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"),
      ).to.deep.equal([{ datcollate: "C" }]);
    });

    it("takes settings, but not those that decide who connects and what is logged", async () => {
      const server = await start(await temporaryDirectory(), {
        ephemeral: true,
        settings: { work_mem: "5MB", "Log-Statement": "all", listen_addresses: "*" },
      });
      const value = async (name: string): Promise<unknown> =>
        (await run(server.url, `SELECT current_setting('${name}') AS v`))[0]?.v;
      expect(await value("work_mem")).to.equal("5MB");
      expect(await value("fsync")).to.equal("off");
      expect(await value("log_statement")).to.equal("none");
      expect(await value("listen_addresses")).to.equal("127.0.0.1");
    });

    it("works in a directory whose name means something to a shell", async () => {
      const directory = path.join(await temporaryDirectory(), 'a $HOME "b` c');
      if (asRoot) await fs.chmod(path.dirname(directory), 0o711);
      const server = await start(directory, { ephemeral: true, settings: { "a.b": "$HOME '`" } });
      expect(await run(server.url, "SHOW data_directory")).to.deep.equal([
        { data_directory: path.join(directory, "postgres") },
      ]);
      expect(await run(server.url, "SHOW a.b")).to.deep.equal([{ "a.b": "$HOME '`" }]);
    });

    it("writes no parameter and no statement to its log", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory, { ephemeral: true });
      const log = (): Promise<string> => fs.readFile(path.join(directory, "postgres.log"), "utf8");
      const client = new pg.Client(server.url);
      await client.connect();
      try {
        await client.query("CREATE TABLE t (k text PRIMARY KEY)");
        const fail = async (canary: string): Promise<void> => {
          await refusal(client.query("SELECT $1::uuid", [canary]));
          await client.query("INSERT INTO t VALUES ($1)", [canary]);
          await refusal(client.query("INSERT INTO t VALUES ($1)", [canary]));
          await refusal(client.query(`SELECT '${canary}' FROM nowhere`));
        };
        await fail("canary-1");
        // The control: what PostgreSQL would write by default.
        await client.query("SET log_min_messages = warning");
        await fail("canary-2");
        await eventually(async () => (await log()).includes("canary-2"));
        expect(await log()).not.to.include("canary-1");
      } finally {
        await client.end();
      }
    });

    it("passes PostgreSQL's lines on to the log, and says what it does", async () => {
      const lines: string[] = [];
      const server = await start(await temporaryDirectory(), {
        ephemeral: true,
        log: (line) => lines.push(line),
      });
      await server.stop();
      expect(lines.some((line) => line.startsWith("PostgreSQL started (process "))).to.equal(true);
      expect(lines.filter((line) => line.includes("database system is ready"))).to.have.length(1);
      expect(lines.at(-1)).to.match(/^postgres: .*database system is shut down$/);
    });

    it("begins a new log when the old one has grown large", async () => {
      const directory = await temporaryDirectory();
      await (await start(directory, { ephemeral: true })).stop();
      const log = path.join(directory, "postgres.log");
      await fs.truncate(log, 11 * 1024 * 1024);
      await (await start(directory, { ephemeral: true })).stop();
      expect((await fs.stat(log)).size).to.be.lessThan(100_000);
      expect((await fs.stat(`${log}.1`)).size).to.equal(11 * 1024 * 1024);
    });

    it("stops with clients connected and a statement running", async () => {
      const server = await start(await temporaryDirectory(), { ephemeral: true });
      const client = new pg.Client(server.url);
      client.on("error", () => {});
      await client.connect();
      const query = refusal(client.query("SELECT pg_sleep(3600)"));
      await server.stop();
      // By a fast shutdown, not by the immediate one that follows if that takes too long.
      expect(await query).to.include({ code: "57P01" });
      const log = await fs.readFile(path.join(server.dataDirectory, "postgres.log"), "utf8");
      expect(log).to.include("received fast shutdown request");
      expect(log).not.to.include("received immediate shutdown request");
    });

    it("keeps no process alive, neither before nor after stop", async () => {
      for (const message of ["stop", "leave"]) {
        const owner = startOwner(await temporaryDirectory());
        await started(owner);
        const exit = once(owner.child, "exit");
        owner.child.send(message);
        expect(await exit).to.deep.equal([0, null]);
      }
    });

    itOnLinux("is not in the process group that Ctrl-C goes to", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory, { detached: true });
      const { url, pid } = await started(owner);
      const interrupted = once(owner.child, "message");
      process.kill(-(owner.child.pid ?? 0), "SIGINT");
      expect((await interrupted)[0]).to.equal("interrupted");
      expect(await processGroup(owner.child.pid ?? 0)).to.equal(owner.child.pid);
      expect(await processGroup(pid)).not.to.equal(owner.child.pid);
      expect(await run(url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      expect(readPidFile(path.join(directory, "postgres"))?.pid).to.equal(pid);
    });
  });

  describe("ownership", () => {
    it("takes over the server that a killed owner has left, with all committed rows", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory);
      const before = await started(owner);
      await run(before.url, "CREATE TABLE kept AS SELECT 42 AS n");
      await kill(owner);

      const after = await start(directory);
      expect(after.found).to.equal("running");
      expect(after.pid).to.equal(before.pid);
      expect(after.url).to.equal(before.url);
      expect(await run(after.url, "SELECT n FROM kept")).to.deep.equal([{ n: 42 }]);
      await after.stop();
      expect(isPostmaster(after.pid, path.join(directory, "postgres"))).to.equal(false);
    });

    it("refuses a second process and names the first", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory);
      const { url } = await started(owner);
      const error = await refusal(startEmbeddedPostgres({ dataDirectory: directory }));
      expect(error).to.be.instanceOf(DataDirectoryInUseError);
      expect(error).to.include({ pid: owner.child.pid, kind: "in-use" });
      expect(error.message).to.include(directory).and.include(`process ${owner.child.pid}`);
      expect(await run(url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
    });

    it("refuses a second start in the same process", async () => {
      const directory = await temporaryDirectory();
      await start(directory, { ephemeral: true });
      const error = await refusal(startEmbeddedPostgres({ dataDirectory: directory }));
      expect(error).to.be.instanceOf(DataDirectoryInUseError).and.include({ pid: process.pid });
    });

    it("gives an empty directory to exactly one of processes that start at once", async () => {
      for (let round = 0; round < 3; round++) await race(await temporaryDirectory());
    });

    it("gives a stopped cluster to exactly one of processes that start at once", async () => {
      const directory = await temporaryDirectory();
      for (let round = 0; round < 3; round++) {
        await (await start(directory)).stop();
        await race(directory);
      }
    });

    async function race(directory: string): Promise<void> {
      const owners = [startOwner(directory), startOwner(directory), startOwner(directory)];
      const reports = await Promise.all(owners.map((owner) => owner.report));
      const winner = reports.findIndex((report) => report.started);
      const losers = reports.filter((report): report is RefusedReport => !report.started);
      expect(losers.map(({ name }) => name)).to.deep.equal([
        "DataDirectoryInUseError",
        "DataDirectoryInUseError",
      ]);
      expect(losers.map(({ holder }) => holder)).to.deep.equal([
        owners[winner]?.child.pid,
        owners[winner]?.child.pid,
      ]);
      const { url } = reports[winner] as StartedReport;
      expect(await run(url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      const names = await fs.readdir(directory);
      expect(names.filter((name) => name.includes(".tmp-"))).to.deep.equal([]);
      const exit = once(owners[winner]?.child as ChildProcess, "exit");
      owners[winner]?.child.send("stop");
      await exit;
    }

    it("takes the lock again when its connection breaks", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory, { ephemeral: true });
      const ended = await run(
        server.url,
        `SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
          WHERE application_name = 'postgres-owner-${process.pid}'`,
      );
      expect(ended).to.deep.equal([{ ended: true }]);
      await eventually(async () => (await ownerSessions(server.url)) === 1);
      const owner = startOwner(directory);
      expect(await owner.report).to.include({ started: false, holder: process.pid });
    });

    it("does not stop a server that another process has taken over meanwhile", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory, { ephemeral: true });
      const other = new pg.Client(server.url);
      await other.connect();
      await other.query("SET application_name = 'postgres-owner-1'");
      // In the queue before the connection breaks, so that it comes before the next attempt.
      const lock = other.query(`SELECT pg_advisory_lock(${LOCK_KEY})`);
      const waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
      await eventually(async () => (await run(server.url, waiting)).length === 1);
      await run(
        server.url,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'postgres-owner-${process.pid}'`,
      );
      await lock;
      try {
        await server.stop();
        expect(await run(server.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      } finally {
        await other.end();
      }
    });
  });

  describe("recovery", () => {
    it("starts a killed server again, on the same URL", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory);
      await run(server.url, "CREATE TABLE kept AS SELECT 42 AS n");
      const before = server.pid;
      process.kill(before, "SIGKILL");
      expect(await answer(server.url, "SELECT n FROM kept")).to.deep.equal([{ n: 42 }]);
      await eventually(async () => server.pid !== before);
      await eventually(async () => (await ownerSessions(server.url)) === 1);
      const owner = startOwner(directory);
      expect(await owner.report).to.include({ started: false, holder: process.pid });
    });

    it("starts a killed server again that it had taken over", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory);
      const before = await started(owner);
      await kill(owner);
      const server = await start(directory);
      expect(server.found).to.equal("running");
      process.kill(before.pid, "SIGKILL");
      expect(await answer(server.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      expect(server.url).to.equal(before.url);
    });

    it("can be stopped while the server is down", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory);
      process.kill(server.pid, "SIGKILL");
      await server.stop();
      expect((await start(directory)).found).to.equal("stopped");
    });

    it("waits for a server that shuts down", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory);
      const before = await started(owner);
      await kill(owner);
      process.kill(before.pid, "SIGINT");
      const server = await start(directory);
      expect(await answer(server.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
    });

    it("is not stuck after an initdb that was killed", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory);
      await eventually(async () => {
        const names = await fs.readdir(directory);
        return names.some((name) => name.startsWith("postgres.tmp-"));
      });
      await kill(owner);
      expect(await fs.readdir(directory)).not.to.include("postgres");
      const server = await start(directory);
      expect(server.found).to.equal("created");
      const names = await fs.readdir(directory);
      expect(names.filter((name) => name.includes(".tmp-"))).to.deep.equal([]);
    });

    it("leaves alone what a living process is creating", async () => {
      const directory = await temporaryDirectory();
      const foreign = path.join(directory, `postgres.tmp-${process.ppid}-0123456789ab`);
      await fs.writeFile(path.join(directory, "postgres-password"), `${"x".repeat(43)}\n`);
      await fs.mkdir(foreign);
      await start(directory, { ephemeral: true });
      expect(await fs.readdir(directory)).to.include(path.basename(foreign));
    });

    it("removes only files of its own", async () => {
      const directory = await temporaryDirectory();
      const child = spawn("true", { stdio: "ignore" });
      await once(child, "exit");
      const dead = `tmp-${child.pid}-0123456789ab`;
      const foreign = [
        "native-app",
        "native-1.2.3",
        `backup.${dead}`,
        `postgres.${dead}-notes`,
        `old-postgres.${dead}`,
        `backup.tmp-${child.pid}-notes`,
      ];
      const own = [`postgres.${dead}`, `postgres-password.${dead}`, `native-1.2.3.${dead}`];
      for (const name of [...foreign, ...own]) await fs.mkdir(path.join(directory, name));
      await start(directory, { ephemeral: true });
      const names = await fs.readdir(directory);
      expect(names).to.include.members(foreign);
      expect(names).not.to.include.oneOf(own);
    });

    itOnLinux("starts although the pid file names a living process that is no server", async () => {
      const directory = await temporaryDirectory();
      const cluster = path.join(directory, "postgres");
      const server = await start(directory);
      await server.stop();
      // Of the user that PostgreSQL runs as: only such a process makes it refuse to start.
      const { uid, gid } = await fs.stat(cluster);
      const child = spawn("sleep", ["60"], { stdio: "ignore", ...(asRoot ? { uid, gid } : {}) });
      children.push(child);
      await once(child, "spawn");
      const file = path.join(cluster, "postmaster.pid");
      await fs.writeFile(
        file,
        `${child.pid}\n${cluster}\n1\n${server.port}\n\n127.0.0.1\n\nready\n`,
      );
      expect((await start(directory)).found).to.equal("stopped");
    });

    it("names the end of the log when the server does not start", async () => {
      const directory = await temporaryDirectory();
      const error = await refusal(start(directory, { settings: { work_mem: "nonsense" } }));
      expect(error.message).to.include("PostgreSQL did not start").and.include("work_mem");
    });

    it("leaves no server running when the start fails", async () => {
      const directory = await temporaryDirectory();
      await (await start(directory, { ephemeral: true })).stop();
      await fs.writeFile(path.join(directory, "postgres-password"), `${"x".repeat(43)}\n`);
      expect(await refusal(start(directory))).to.include({ kind: "password" });
      expect(readPidFile(path.join(directory, "postgres"))).to.equal(undefined);
    });

    it("releases a server that it took over when the start fails", async () => {
      const directory = await temporaryDirectory();
      const owner = startOwner(directory);
      await started(owner);
      await kill(owner);
      const log = (line: string): void => {
        if (line.startsWith("PostgreSQL was running")) throw new Error("full");
      };
      expect((await refusal(start(directory, { log }))).message).to.equal("full");
      expect((await start(directory)).found).to.equal("running");
    });

    it("finds the server of a cluster that is a symbolic link", async () => {
      const directory = await temporaryDirectory();
      await (await start(directory)).stop();
      const disk = await temporaryDirectory();
      if (asRoot) await fs.chmod(disk, 0o711);
      await fs.rename(path.join(directory, "postgres"), path.join(disk, "cluster"));
      await fs.symlink(path.join(disk, "cluster"), path.join(directory, "postgres"));
      await start(directory);
      const error = await refusal(startEmbeddedPostgres({ dataDirectory: directory }));
      expect(error).to.include({ kind: "in-use" });
      expect(readPidFile(path.join(disk, "cluster"))).not.to.equal(undefined);
    });

    it("says so when the password is gone", async () => {
      const directory = await temporaryDirectory();
      await (await start(directory, { ephemeral: true })).stop();
      await fs.rm(path.join(directory, "postgres-password"));
      expect((await refusal(start(directory))).message).to.include("restore that file");
    });

    it("says so when the cluster is of another major version", async () => {
      const directory = await temporaryDirectory();
      await (await start(directory, { ephemeral: true })).stop();
      await fs.writeFile(path.join(directory, "postgres", "PG_VERSION"), "9.6\n");
      expect((await refusal(start(directory))).message).to.include("was made by PostgreSQL 9.6");
    });
  });

  describe("binaries", () => {
    async function copyBinaries(directory: string, links: boolean): Promise<string> {
      const native = path.join(directory, "package", "native");
      const installed = await findNativeDirectory();
      await fs.mkdir(path.dirname(native), { recursive: true });
      await fs.copyFile(
        path.join(installed, "..", "package.json"),
        path.join(directory, "package", "package.json"),
      );
      await fs.cp(installed, native, {
        recursive: true,
        verbatimSymlinks: true,
        filter: async (file) => links || !(await fs.lstat(file)).isSymbolicLink(),
      });
      return native;
    }

    it("makes a copy with the library links that no install script has made", async () => {
      const nativeDirectory = await copyBinaries(await temporaryDirectory(), false);
      const directory = await temporaryDirectory();
      const server = await start(directory, { ephemeral: true, nativeDirectory });
      const names = await fs.readdir(directory);
      expect(names.filter((name) => name.startsWith("native-"))).to.have.length(1);
      expect(await run(server.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      await server.stop();
      // The copy of a version that is no longer installed goes.
      await fs.mkdir(path.join(directory, "native-0.0.1"));
      await fs.writeFile(path.join(directory, "native-0.0.1", "pg-symlinks.json"), "[]");
      await start(directory, { ephemeral: true, nativeDirectory });
      expect(
        (await fs.readdir(directory)).filter((name) => name.startsWith("native-")),
      ).to.deep.equal(names.filter((name) => name.startsWith("native-")));
    });

    it("says so when they are missing", async () => {
      const error = await refusal(
        start(await temporaryDirectory(), { nativeDirectory: "/nonexistent/native" }),
      );
      expect(error).to.be.instanceOf(EmbeddedPostgresError).and.include({ kind: "platform" });
      expect(error.message).to.include("/nonexistent/native");
    });

    itAsRoot(
      "makes a copy of those below a directory that PostgreSQL's user cannot enter",
      async () => {
        const checkout = await temporaryDirectory();
        const nativeDirectory = await copyBinaries(checkout, true);
        const directory = await temporaryDirectory();
        const server = await start(directory, { ephemeral: true, nativeDirectory });
        const names = await fs.readdir(directory);
        expect(names.filter((name) => name.startsWith("native-"))).to.have.length(1);
        expect(await run(server.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
        expect((await fs.stat(checkout)).mode & 0o777).to.equal(0o700);
      },
    );
  });

  describe("data directory", () => {
    itAsRoot("is refused below a directory that PostgreSQL's user cannot enter", async () => {
      const parent = await temporaryDirectory();
      const error = await refusal(start(path.join(parent, "data")));
      expect(error.message).to.include(`may not enter ${parent},`);
      expect(error).to.include({ kind: "directory" });
    });

    itAsRoot("is refused when it belongs to another user", async () => {
      const directory = await temporaryDirectory();
      await fs.chown(directory, 65_534, 65_534);
      expect((await refusal(start(directory))).message).to.include("belongs to user id 65534");
    });

    itAsRoot("runs PostgreSQL as another user", async () => {
      const directory = await temporaryDirectory();
      const server = await start(directory, { ephemeral: true });
      const { uid } = await fs.stat(path.join(directory, "postgres"));
      expect(uid).not.to.equal(0);
      expect((await fs.stat(path.join(directory, "postgres-password"))).uid).to.equal(0);
      expect((await fs.stat(`/proc/${server.pid}`)).uid).to.equal(uid);
    });

    it("keeps the mode of a directory that holds other things", async () => {
      const directory = await temporaryDirectory();
      await fs.chmod(directory, 0o755);
      await fs.writeFile(path.join(directory, "something"), "");
      await start(directory, { ephemeral: true });
      expect((await fs.stat(directory)).mode & 0o777).to.equal(0o755);
    });

    it("is created in spite of the umask, and with an empty cluster directory", async () => {
      const parent = await temporaryDirectory();
      if (asRoot) await fs.chmod(parent, 0o711);
      const umask = process.umask(0o077);
      try {
        await start(path.join(parent, "deep", "data"), { ephemeral: true });
        expect((await fs.stat(path.join(parent, "deep"))).mode & 0o777).to.equal(
          asRoot ? 0o711 : 0o700,
        );
      } finally {
        process.umask(umask);
      }
      const directory = await temporaryDirectory();
      await fs.mkdir(path.join(directory, "postgres"));
      expect((await start(directory, { ephemeral: true })).found).to.equal("created");
    });

    it("is refused when it is shared with other users", async () => {
      const directory = await temporaryDirectory();
      await fs.writeFile(path.join(directory, "something"), "");
      await fs.chmod(directory, 0o1777);
      expect((await refusal(start(directory))).message).to.include("is shared with other users");
    });

    it("is refused when it cannot be created", async () => {
      const directory = await temporaryDirectory();
      await fs.writeFile(path.join(directory, "file"), "");
      const error = await refusal(start(path.join(directory, "file", "data")));
      expect(error.message).to.include("cannot be created");
      expect(error).to.include({ kind: "directory" });
    });
  });
});

async function run(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 60_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The rows, as soon as a server answers. */
async function answer(url: string, sql: string): Promise<Record<string, unknown>[]> {
  let rows: Record<string, unknown>[] = [];
  await eventually(async () => {
    rows = await run(url, sql);
    return true;
  });
  return rows;
}

async function ownerSessions(url: string): Promise<number> {
  const rows = await run(
    url,
    `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted
        AND a.application_name = 'postgres-owner-${process.pid}'`,
  );
  return Number(rows[0]?.n);
}

/** The process group, the fifth field of Linux's account of a process. */
async function processGroup(pid: number): Promise<number> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}

/** Waits until the condition holds. One that throws does not hold yet. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`never came true: ${condition}`);
    await sleep(20);
  }
}
