import type { ChildProcess } from "node:child_process";
import { TEST_KEY_ENCRYPTION_KEY } from "../support/app.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { inParallel } from "../support/in-parallel.ts";
import { BANNER, type Started, startSessiond } from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";
import { type Caller, grpcJsCaller, packageCaller } from "./callers.ts";
import { checkHistory } from "./checker.ts";
import { type ClockOffset, measureClockOffset, readFinalState } from "./final-state.ts";
import type { Violation } from "./history.ts";
import { Load } from "./load.ts";
import { type OpenedSession, Recorder, RecordingClient } from "./recorder.ts";
import { broken, type Report } from "./scenario.ts";
import type { FaultDatabase, FaultServer, Kill } from "./server.ts";

export interface WorldOptions {
  /** Settings of the replicas. */
  readonly env?: Readonly<Record<string, string>>;
  /** The limit that both replicas are given, and that must hold. */
  readonly maxSessionsPerActor?: number;
  /** What Node is started with, for each replica. */
  readonly nodeArgs?: (replica: string) => readonly string[];
  /** Further environment of one replica. */
  readonly replicaEnv?: (replica: string) => Readonly<Record<string, string>>;
  readonly database?: FaultDatabase;
  /** Between the proxies and the database. */
  readonly databaseUrl?: string;
  /** What starts sessiond, instead of this version. */
  readonly main?: string;
  /** Connects the replicas without the proxies, which cost this process time for each statement. */
  readonly withoutProxies?: true;
}

const NAMES = ["a", "b"] as const;

/** All replicas and load generators, which a run ends that is given up. */
export const childProcesses = new Set<ChildProcess>();

/** A process of sessiond, with a proxy of its own in front of the database. */
export class FaultReplica {
  readonly name: string;
  readonly #proxy: DatabaseProxy | undefined;
  readonly #databaseUrl: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #nodeArgs: readonly string[];
  #process: Started | undefined;
  #url = "";

  constructor(
    name: string,
    proxy: DatabaseProxy | undefined,
    databaseUrl: string,
    env: Readonly<Record<string, string>>,
    nodeArgs: readonly string[],
  ) {
    this.name = name;
    this.#proxy = proxy;
    this.#databaseUrl = databaseUrl;
    this.#env = env;
    this.#nodeArgs = nodeArgs;
  }

  get url(): string {
    return this.#url;
  }

  get proxy(): DatabaseProxy {
    if (this.#proxy === undefined) throw new Error(`replica ${this.name} has no proxy`);
    return this.#proxy;
  }

  get process(): Started {
    if (this.#process === undefined) throw new Error(`replica ${this.name} has not been started`);
    return this.#process;
  }

  /**
   * Starts it, on the same port as before.
   *
   * @param main what starts sessiond; without it, this version
   */
  async start(main?: string): Promise<void> {
    const env = { ...this.#env, SESSIOND_DATABASE_URL: this.#databaseUrl };
    const port = this.#url === "" ? "0" : new URL(this.#url).port;
    const nodeArgs = this.#nodeArgs;
    const script = main === undefined ? {} : { script: main };
    const options = { env: { ...env, SESSIOND_PORT: port }, nodeArgs, ...script };
    this.#process = startSessiond(options, childProcesses);
    this.#url = await this.#process.says(BANNER);
  }

  /** Ends it and waits for the end; it must be gently for SIGTERM. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { code, stderr } = await this.process.end(signal);
    if (signal === "SIGTERM" && code !== 0) {
      throw new Error(`replica ${this.name} ended with ${code}: ${stderr.slice(-2000)}`);
    }
  }
}

/** A database, two replicas, clients, and a record of what they do. */
export class World implements AsyncDisposable {
  readonly database: FaultDatabase;
  readonly replicas: readonly FaultReplica[];
  readonly recorder = new Recorder();
  readonly load: Load = new Load(this.recorder);
  readonly #stack: AsyncDisposableStack;
  readonly #clockOffset: ClockOffset;
  readonly #callers: Caller[] = [];
  #slowestRecoveryMs = 0;
  #slowestRestartMs = 0;
  /** For recovery and the last look. */
  readonly #probes: readonly RecordingClient[];
  readonly #maxSessionsPerActor: number | undefined;

  private constructor(
    database: FaultDatabase,
    replicas: readonly FaultReplica[],
    clockOffset: ClockOffset,
    maxSessionsPerActor: number | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.database = database;
    this.replicas = replicas;
    this.#clockOffset = clockOffset;
    this.#maxSessionsPerActor = maxSessionsPerActor;
    this.#stack = stack;
    this.#probes = replicas.map((replica) => this.client(replica));
  }

  static async open(server: FaultServer, options: WorldOptions = {}): Promise<World> {
    const { env = {}, nodeArgs = () => [], replicaEnv = () => ({}) } = options;
    await using stack = new AsyncDisposableStack();
    const database = options.database ?? (await server.createDatabase());
    if (options.database === undefined) stack.defer(() => database.close());
    const replicas: FaultReplica[] = [];
    for (const name of NAMES) {
      const target = options.databaseUrl ?? database.url;
      const proxy = options.withoutProxies ? undefined : await startDatabaseProxy(target);
      if (proxy !== undefined) stack.defer(() => proxy.close());
      const limit = String(options.maxSessionsPerActor ?? 0);
      const all = {
        ...DEFAULTS,
        NODE_COMPILE_CACHE: server.compileCache,
        SESSIOND_MAX_SESSIONS_PER_ACTOR: limit,
        ...env,
        ...replicaEnv(name),
      };
      const url = proxy?.url ?? target;
      replicas.push(new FaultReplica(name, proxy, url, all, nodeArgs(name)));
    }
    stack.defer(async () => {
      for (const { process } of replicas) await process.end("SIGKILL");
    });
    await Promise.all(replicas.map((replica) => replica.start(options.main)));
    const clockOffset = await measureClockOffset(database.sql);
    const { maxSessionsPerActor } = options;
    return new World(database, replicas, clockOffset, maxSessionsPerActor, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load.end();
    for (const caller of this.#callers) caller.close();
    await this.#stack.disposeAsync();
  }

  /** A client of one replica: by turns of grpc-js and of our package. */
  client(replica: FaultReplica): RecordingClient {
    const isOdd = this.#callers.length % 2 === 1;
    return this.record(
      isOdd ? packageCaller(replica.url) : grpcJsCaller(replica.url),
      replica.name,
    );
  }

  /** A client with whatever calls `caller` makes. */
  record(caller: Caller, replica: string): RecordingClient {
    this.#callers.push(caller);
    return new RecordingClient(this.recorder, caller, replica);
  }

  /** Puts all replicas under load: from each library, a client with `width` calls at a time. */
  startLoad(width = 4): void {
    for (const replica of this.replicas) {
      this.load.add(this.client(replica), width);
      this.load.add(this.client(replica), width);
    }
  }

  /** Until each replica has acknowledged a Create. Returns its time since `startedAt`: that of the recovery. */
  async recovered(startedAt: number): Promise<number> {
    await this.#untilServed();
    const recoveryMs = performance.now() - startedAt;
    this.#slowestRecoveryMs = Math.max(this.#slowestRecoveryMs, recoveryMs);
    return recoveryMs;
  }

  /**
   * Kills PostgreSQL and waits for the recovery. Tells apart how long PostgreSQL takes to accept
   * connections again, and how long the replicas take from then on.
   */
  async killDatabase(server: FaultServer, kill: Kill): Promise<void> {
    const killedAt = performance.now();
    await server.kill(kill, this.database);
    const acceptsAt = performance.now();
    this.#slowestRestartMs = Math.max(this.#slowestRestartMs, acceptsAt - killedAt);
    await this.recovered(acceptsAt);
  }

  async #untilServed(): Promise<void> {
    const probe = (client: RecordingClient) =>
      until("a Create is acknowledged", () => client.create({ timeoutMs: 1000 }));
    await Promise.all(this.#probes.map(probe));
  }

  report(injected: number, violations: readonly Violation[]): Report {
    const slowestRecoveryMs = this.#slowestRecoveryMs;
    const slowestRestartMs = this.#slowestRestartMs;
    return {
      injected,
      recorder: this.recorder,
      violations,
      ...(slowestRecoveryMs > 0 && { slowestRecoveryMs }),
      ...(slowestRestartMs > 0 && { slowestRestartMs }),
    };
  }

  /** How many changes of unknown outcome the audit has. */
  async committedWithoutAnswer(): Promise<number> {
    const unknown = this.recorder.operations.filter(({ outcome }) => outcome === "unknown");
    const rows = await this.database.sql(
      `SELECT FROM audit_events WHERE acting_actor_id = ANY ($1)
       UNION ALL SELECT FROM sessions WHERE metadata->>'operation' = ANY ($1)`,
      [unknown.map(({ id }) => id)],
    );
    return rows.length;
  }

  /** Ends the load, looks at all sessions on all replicas once more, and checks the history. */
  async check(): Promise<Violation[]> {
    await this.load.end();
    // Also if it is not served any more: the history tells why.
    const recovery = await this.#untilServed().then(
      () => [],
      ({ message }: Error) => [broken("no recovery", message)],
    );
    for (const client of this.#probes) {
      await inParallel(8, this.load.sessions, (session: OpenedSession) => client.validate(session));
    }
    const maxSessionsPerActor = this.#maxSessionsPerActor;
    const state = await readFinalState(this.database.sql, this.#clockOffset);
    const violations = checkHistory(this.recorder.operations, { ...state, maxSessionsPerActor });
    return [...this.#deadProcesses(), ...recovery, ...violations];
  }

  /** No fault of the database may end a replica. */
  #deadProcesses(): readonly Violation[] {
    const ended = this.replicas.filter(({ process: { pid } }) => !isRunning(pid));
    return ended.map(({ name, process: { stderr } }) =>
      broken("process ended", `replica ${name} has ended: ${stderr.slice(-2000)}`),
    );
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The limits are the defaults of the product. Each touch is written, so that touches conflict. */
const DEFAULTS = {
  SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY,
  SESSIOND_SWEEP_SCHEDULE: "off",
  SESSIOND_TOUCH_INTERVAL: "0s",
};
