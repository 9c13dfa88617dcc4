import { setTimeout as sleep } from "node:timers/promises";
import { removeOldCopies } from "./embedded-binaries.ts";
import { errorCode, removeLeftovers, statOrUndefined } from "./embedded-directory.ts";
import { type LogFollower, readLogFrom } from "./embedded-log.ts";
import {
  DATABASE,
  DataDirectoryInUseError,
  type Ownership,
  takeOwnership,
  USER,
} from "./embedded-owner.ts";
import { clearStalePidFile, isPostmaster, readPidFile } from "./embedded-pid-file.ts";
import type { EmbeddedPostgres } from "./embedded-postgres.ts";
import {
  adopt,
  checkVersion,
  choosePort,
  initialise,
  launch,
  type Postmaster,
  portIsFree,
  preferredPort,
  type ServerContext,
  shutDown,
  waitUntilReady,
} from "./embedded-server.ts";

/** Recovery after a crash is part of it. */
const START_TIMEOUT_MS = 120_000;
const START_POLL_MS = 50;
const LAUNCH_ATTEMPTS = 5;
const FIRST_RESTART_DELAY_MS = 100;
const LONGEST_RESTART_DELAY_MS = 5_000;

/** One server of one data directory, from its start to its stop. */
export class EmbeddedInstance implements EmbeddedPostgres {
  readonly #context: ServerContext;
  readonly #follower: LogFollower;
  readonly #log: (line: string) => void;
  readonly #stopping = new AbortController();
  #found: EmbeddedPostgres["found"] = "stopped";
  #server: Postmaster | undefined;
  #ownership: Ownership | undefined;
  #recovery: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #port = 0;
  /** Why the server that is running let nobody in, last. */
  #refusal = "";

  constructor(context: ServerContext, follower: LogFollower, log: (line: string) => void) {
    this.#context = context;
    this.#follower = follower;
    this.#log = log;
  }

  get url(): string {
    return `postgres://${USER}:${this.#context.password}@127.0.0.1:${this.#port}/${DATABASE}`;
  }

  get dataDirectory(): string {
    return this.#context.layout.root;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  get found(): EmbeddedPostgres["found"] {
    return this.#found;
  }

  async start(): Promise<void> {
    const { layout, binaries } = this.#context;
    const deadline = Date.now() + START_TIMEOUT_MS;
    if (await initialise(this.#context)) this.#found = "created";
    await checkVersion(this.#context);
    for (let attempt = 0; this.#ownership === undefined; ) {
      if (Date.now() > deadline) {
        throw new Error(
          `PostgreSQL in ${layout.root} was not ready after ${START_TIMEOUT_MS / 1000} s: ` +
            `see ${layout.logFile}${this.#refusal === "" ? "" : ` (${this.#refusal})`}`,
        );
      }
      const running = await this.#runningServer();
      if (running === undefined) {
        attempt++;
        await this.#startServer(attempt);
      } else if (await this.#takeOver(running)) {
        this.#found = "running";
      } else {
        // Starting up, recovering or shutting down.
        await sleep(START_POLL_MS);
      }
    }
    this.#port = this.#server?.port ?? 0;
    await removeLeftovers(layout);
    if (this.#found !== "running") await removeOldCopies(layout, binaries);
    this.#ownership.unref();
    this.#server?.watch(() => this.#recover());
    this.#log(
      `PostgreSQL ${this.#found === "running" ? "was running" : "started"} ` +
        `(process ${this.pid}, port ${this.#port}, ${layout.root})`,
    );
    // What happened between the lock and now had no one to be told to.
    if (!this.#ownership.held) this.#recover();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    await this.#recovery;
    try {
      await this.#stopServer();
    } finally {
      this.#server?.release();
      // Only now: the server's own end has released the lock, so that no other process can have
      // taken over a server that is about to end.
      await this.#ownership?.release();
      await this.#follower.stop();
    }
  }

  async #stopServer(): Promise<void> {
    const server = this.#server;
    if (server === undefined || !(await server.alive())) return;
    if (this.#ownership?.held !== true) {
      try {
        this.#ownership = await this.#own(server.port, () => {});
      } catch (error) {
        if (error instanceof DataDirectoryInUseError) {
          this.#log(`PostgreSQL goes on running: ${error.message}`);
          return;
        }
        // It does not answer, so nobody else can own it either.
      }
    }
    await shutDown(server, this.#context, this.#log);
    this.#log(`PostgreSQL stopped (process ${server.pid})`);
  }

  /** The living server of this data directory, if there is one. */
  async #runningServer(): Promise<Postmaster | undefined> {
    const { layout } = this.#context;
    const file = await readPidFile(layout.cluster);
    if (file === undefined) return undefined;
    if (await isPostmaster(file.pid, layout.cluster)) return adopt(file, layout.cluster);
    await clearStalePidFile(layout, file);
    return undefined;
  }

  /** False if the server does not let anybody in at the moment. */
  async #takeOver(server: Postmaster): Promise<boolean> {
    if (server.port === 0) return false;
    try {
      this.#ownership = await this.#own(server.port, () => this.#recover());
      this.#server = server;
      return true;
    } catch (error) {
      if (error instanceof DataDirectoryInUseError) throw error;
      const code = errorCode(error);
      if (code === "28P01" || code === "28000") {
        const { layout } = this.#context;
        throw new Error(
          `the PostgreSQL that runs in ${layout.root} (process ${server.pid}) refuses the ` +
            `password in ${layout.passwordFile}: restore that file, or end that process`,
          { cause: error },
        );
      }
      this.#refusal = error instanceof Error ? error.message : String(error);
      return false;
    }
  }

  #own(port: number, onLost: () => void): Promise<Ownership> {
    const { layout, password } = this.#context;
    return takeOwnership(
      { port, password, dataDirectory: layout.root, cluster: layout.cluster },
      onLost,
    );
  }

  /** Returns without ownership if it is worth to look and to try again. */
  async #startServer(attempt: number): Promise<void> {
    const { layout } = this.#context;
    const port = attempt === 1 ? await preferredPort(layout.cluster) : await choosePort();
    const offset = (await statOrUndefined(layout.logFile))?.size ?? 0;
    const server = await launch(this.#context, port);
    let ready = false;
    try {
      ready = await waitUntilReady(server, layout, START_TIMEOUT_MS);
      if (ready && (await this.#takeOver(server))) return;
    } catch (error) {
      server.release();
      if (!(error instanceof DataDirectoryInUseError)) {
        await shutDown(server, this.#context, this.#log).catch(() => {});
      }
      // Else the other process was faster to take it, and has it now.
      throw error;
    }
    if (ready) {
      server.release();
      return;
    }
    // It may have ended because another process has started one, or taken the port.
    if ((await this.#runningServer()) !== undefined) return;
    if (attempt === 1 || (attempt < LAUNCH_ATTEMPTS && !(await portIsFree(port)))) return;
    const reason = await readLogFrom(layout.logFile, offset);
    throw new Error(`PostgreSQL did not start in ${layout.root}: ${reason || "no reason given"}`);
  }

  /** Brings the server and the ownership back, as long as it takes. One at a time. */
  #recover(): void {
    if (this.#stopping.signal.aborted || this.#recovery !== undefined) return;
    this.#recovery = this.#recoverUntilDone().finally(async () => {
      this.#recovery = undefined;
      if (this.#ownership?.held !== true) this.#recover();
    });
  }

  async #recoverUntilDone(): Promise<void> {
    const { signal } = this.#stopping;
    let delay = FIRST_RESTART_DELAY_MS;
    let said = "";
    if (!(await this.#server?.alive())) {
      const { logFile } = this.#context.layout;
      this.#log(`PostgreSQL (process ${this.pid}) has ended, see ${logFile}: restarting it`);
    }
    while (!signal.aborted) {
      try {
        if (!(await this.#server?.alive())) await this.#restart();
        if (this.#ownership?.held !== true && this.#server !== undefined) {
          this.#ownership = await this.#own(this.#port, () => this.#recover());
          this.#ownership.unref();
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        // The same line every five seconds helps nobody.
        if (message !== said) this.#log(`PostgreSQL is not back yet: ${message}`);
        said = message;
      }
      await sleep(delay, undefined, { ref: false, signal }).catch(() => {});
      delay = Math.min(delay * 2, LONGEST_RESTART_DELAY_MS);
    }
  }

  /** On the same port: pools know no other. */
  async #restart(): Promise<void> {
    const { layout } = this.#context;
    const { signal } = this.#stopping;
    let server = await this.#runningServer();
    if (server !== undefined && server.port !== this.#port) {
      throw new Error(`process ${server.pid} serves ${layout.root} on port ${server.port}`);
    }
    this.#server?.release();
    server ??= await launch(this.#context, this.#port);
    this.#server = server;
    if (!(await waitUntilReady(server, layout, START_TIMEOUT_MS, signal))) {
      throw new Error(`it ended while it started, see ${layout.logFile}`);
    }
    server.watch(() => this.#recover());
    this.#log(`PostgreSQL is back (process ${server.pid}, port ${this.#port})`);
  }
}
