import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { processExists } from "../../packages/embedded-postgres/pid-file.ts";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { createTestFile, newToken, tokenLine } from "../support/callers.ts";
import {
  BANNER,
  databaseEnv,
  postmasterOf,
  type Serving,
  type Started,
  useSessiond,
} from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

interface LogLine {
  readonly level: number;
  readonly pid: number;
  readonly msg: string;
  readonly worker?: number;
  readonly workerPid?: number;
  readonly tenant?: string;
  readonly reason?: string;
  readonly restartMs?: number;
}

function logOf({ stderr }: Pick<Started, "stderr">): LogLine[] {
  // The last line may not be there completely.
  const lines = stderr.slice(0, stderr.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** The lines that workers have logged themselves with this message. */
function ofWorkers(started: Pick<Started, "stderr">, msg: string): LogLine[] {
  return logOf(started).filter((line) => line.msg === msg && line.workerPid === undefined);
}

interface CallFailure {
  readonly code: Code;
  readonly text: string;
  /** Whether a worker had seen that the connection is one of HTTP/2: it has sent its settings. */
  readonly wasServed: boolean;
}

/** A program that runs sessiond as the only worker of its own cluster, as pm2 does. */
const OTHER_CLUSTER = `
  const cluster = require("node:cluster");
  cluster.setupPrimary({ exec: "src/main.ts", execArgv: [], args: [] });
  const worker = cluster.fork();
  process.on("SIGTERM", () => worker.process.kill("SIGTERM"));
  worker.process.on("close", (code) => process.exit(code));
`;

const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)];

describe("sessiond as a process: workers", () => {
  const cleanups: (() => void | Promise<void>)[] = [];
  // Before the hook that removes databases and directories.
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });
  const sessiond = useSessiond();

  /** Logs every call. */
  const twoWorkers = {
    SESSIOND_WORKERS: "2",
    SESSIOND_LOG_LEVEL: "debug",
    SESSIOND_LOG_VALIDATE_SAMPLE: "1",
    SESSIOND_SWEEP_SCHEDULE: "off",
  };

  async function serve(env: Readonly<Record<string, string>> = {}) {
    const database = await sessiond.database();
    const serving = await sessiond.serve({
      env: { ...databaseEnv(database), ...twoWorkers, ...env },
    });
    return { database, serving };
  }

  /**
   * A client with a connection of its own.
   *
   * @param onConnecting called with the socket of each connection, which the client makes when it needs one
   */
  function connect(url: string, onConnecting: (socket: net.Socket) => void = () => {}) {
    const sessionManager = new SessionManager(url, undefined, {
      createConnection({ hostname, port }) {
        const socket = net.connect(Number(port), hostname);
        onConnecting(socket);
        return socket;
      },
    });
    cleanups.push(() => sessionManager.abort());
    const transport = createGrpcTransport({ baseUrl: url, sessionManager });
    return {
      client: createClient(SessionService, transport),
      health: createClient(Health, transport),
    };
  }

  /** Opens sessions one after another on one connection until it is told to stop. */
  class Caller {
    readonly tenantId = newTenant();
    readonly opened: string[] = [];
    readonly failures: CallFailure[] = [];
    #socket: net.Socket | undefined;
    readonly #serving: Serving;
    readonly #ended: Promise<void>;
    #stopped = false;

    constructor(serving: Serving) {
      this.#serving = serving;
      const { client } = connect(serving.url, (socket) => {
        this.#socket = socket;
      });
      this.#ended = this.#call(client);
    }

    /** The process that has logged its last call. */
    get pid(): number | undefined {
      return ofWorkers(this.#serving, "call").findLast(({ tenant }) => tenant === this.tenantId)
        ?.pid;
    }

    /** Until that many more are acknowledged. */
    async more(count: number): Promise<void> {
      const goal = this.opened.length + count;
      await until(`${goal} sessions`, async () => this.opened.length >= goal);
    }

    async stop(): Promise<void> {
      this.#stopped = true;
      await this.#ended;
    }

    async #call(client: ReturnType<typeof connect>["client"]): Promise<void> {
      while (!this.#stopped) {
        try {
          const { id } = await openSession(client, {
            actor: newActor({ tenantId: this.tenantId }),
          });
          this.opened.push(id);
        } catch (error) {
          const { code } = error as ConnectError;
          const wasServed = (this.#socket?.bytesRead ?? 0) > 0;
          this.failures.push({ code, text: String(error), wasServed });
          // So that those that are turned away at the end do not spin.
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
  }

  /** Callers on connections of their own, of which each worker has some. */
  async function callersOnAll(serving: Serving, count = 4): Promise<Caller[]> {
    const callers = Array.from({ length: count }, () => new Caller(serving));
    cleanups.push(async () => {
      await Promise.all(callers.map((caller) => caller.stop()));
    });
    await until("all workers serve", async () => {
      const pids = callers.map(({ pid }) => pid);
      return !pids.includes(undefined) && distinct(pids).length === 2;
    });
    return callers;
  }

  /** The processes of the workers, as their calls have been logged. */
  const pidsOf = (callers: readonly Caller[]) =>
    distinct(callers.map(({ pid }) => pid)).filter((pid) => pid !== undefined);

  it("serve on one port, and each accepts what another one has signed", async () => {
    const database = await sessiond.database({ empty: true });
    const serving = await sessiond.serve({ env: { ...databaseEnv(database), ...twoWorkers } });
    const { cookie, id } = await openSession(serving.client);

    const validatedBy = () =>
      distinct(ofWorkers(serving, "call").map(({ worker }) => worker)).sort();
    await until("both have validated", async () => {
      const { session } = await validate(connect(serving.url).client, cookie);
      expect(session?.id).to.equal(id);
      return validatedBy().length === 2;
    });

    expect(validatedBy()).to.deep.equal([1, 2]);
    const { code, stdout, stderr } = await serving.end("SIGTERM");
    expect({ code, banners: stdout.match(new RegExp(BANNER, "g"))?.length }).to.deep.equal({
      code: 0,
      banners: 1,
    });
    // What is done and said once: the rest is about calls, with the number of the worker.
    const once = logOf({ stderr }).filter(({ worker }) => worker === undefined);
    const messages = once.map(({ msg }) => msg).filter((msg) => msg !== undefined);
    expect(messages).to.deep.equal([
      "migrations applied",
      "first signing key made",
      "serving",
      "stopping",
      "stopped",
    ]);
    expect(distinct(once.map(({ pid }) => pid))).to.deep.equal([serving.pid]);
    expect(await database.sql("SELECT id FROM signing_keys")).to.have.length(1);
  });

  it("go on when one is killed under load, and it is replaced", async () => {
    const { serving } = await serve();
    const callers = await callersOnAll(serving);
    const killed = callers[0]?.pid ?? 0;
    const spared = callers.filter(({ pid }) => pid !== killed);

    process.kill(killed, "SIGKILL");

    await Promise.all(callers.map((caller) => caller.more(20)));
    const ended = await until("its end is logged", async () =>
      logOf(serving).find(({ msg }) => msg === "worker ended: it is replaced"),
    );
    expect(ended).to.include({ level: 50, workerPid: killed, signal: "SIGKILL" });
    const replacement = await until("it is replaced", async () =>
      logOf(serving).find(({ msg }) => msg === "worker serves"),
    );
    expect(replacement.worker).to.equal(ended.worker);
    await until("the new one serves", async () => {
      await openSession(connect(serving.url).client);
      return ofWorkers(serving, "call").some(({ pid }) => pid === replacement.workerPid);
    });
    await Promise.all(callers.map((caller) => caller.more(20)));

    expect(spared.map(({ failures }) => failures)).to.deep.equal(spared.map(() => []));
    for (const { failures } of callers) {
      const onServed = failures.filter(({ wasServed }) => wasServed);
      expect(onServed, "the call in flight").to.have.length.at.most(1);
    }
    // Until its end is noticed, the killed one may be handed one more connection, which is then closed.
    const failures = callers.flatMap((caller) => caller.failures);
    const notTaken = failures.filter(({ wasServed }) => !wasServed);
    expect(notTaken, "the connection not taken").to.have.length.at.most(1);
    for (const caller of callers) await caller.stop();
    expect((await serving.end("SIGTERM")).code).to.equal(0);
  });

  it("are all drained on SIGTERM: no call that was carried out fails, and none is left", async () => {
    const { database, serving } = await serve();
    const callers = await callersOnAll(serving);
    const pids = pidsOf(callers);
    const { health } = connect(serving.url);
    const statuses: Status[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({})) statuses.push(status);
    })().catch((error: ConnectError) => error.code);
    await until("it is watched", async () => statuses.length > 0);
    await Promise.all(callers.map((caller) => caller.more(50)));
    for (const { failures } of callers) expect(failures).to.deep.equal([]);

    const { code, stderr } = await serving.end("SIGTERM");
    await Promise.all(callers.map((caller) => caller.stop()));

    expect(code).to.equal(0);
    expect(stderr).not.to.include('"forced"');
    expect(pids.filter(processExists)).to.deep.equal([]);
    expect(statuses).to.deep.equal([Status.SERVING, Status.NOT_SERVING]);
    expect(await watching).to.equal(Code.Unavailable);
    const stored = await database.sql<{ id: string }>("SELECT id FROM sessions");
    const opened = callers.flatMap((caller) => caller.opened);
    expect(stored.map(({ id }) => id)).to.have.members(opened);
    const turnedAway = callers.flatMap(({ failures }) => failures);
    const wrong = turnedAway.filter(({ code, text, wasServed }) => {
      if (code === Code.Unavailable || text.includes("NGHTTP2_REFUSED_STREAM")) return false;
      // When the port is closed, connections are cut off that no worker has taken.
      return wasServed || !/(read|connect) ECONNRESET|error code CANCEL/.test(text);
    });
    expect(wrong).to.deep.equal([]);
  });

  it("drain once on Ctrl-C, which signals all of them", async () => {
    const env = { ...databaseEnv(await sessiond.database()), ...twoWorkers };
    const serving = await sessiond.serve({ env, command: [process.execPath, "src/main.ts"] });
    const callers = await callersOnAll(serving);
    const pids = pidsOf(callers);

    process.kill(-serving.pid, "SIGINT");

    const { code, stderr } = await serving.ended;
    expect({ code, forced: stderr.includes('"forced"') }).to.deep.equal({ code: 0, forced: false });
    expect(stderr).to.include('"stopped"').and.not.include("worker ended");
    expect(pids.filter(processExists)).to.deep.equal([]);
  });

  it("end at once on a second signal, and when their parent is killed", async () => {
    const first = await serve({ SESSIOND_DRAIN_DELAY: "5m" });
    const callers = await callersOnAll(first.serving);
    const pids = pidsOf(callers);
    first.serving.signal("SIGTERM");
    const ended = await until("it has given up", async () => {
      first.serving.signal("SIGTERM");
      return Promise.race([
        first.serving.ended,
        new Promise<false>((resolve) => setTimeout(resolve, 100, false)),
      ]);
    });
    expect({ code: ended.code, signal: ended.signal }).to.deep.equal({ code: 1, signal: null });
    await until("they have ended", async () => !pids.some(processExists));
    for (const caller of callers) await caller.stop();

    const second = await serve();
    const others = pidsOf(await callersOnAll(second.serving));
    await second.serving.end("SIGKILL");
    await until("they have ended, too", async () => !others.some(processExists));
  });

  it("leave scheduled sweeps to one, and another one takes over when it dies", async () => {
    const { serving } = await serve({
      SESSIOND_SWEEP_SCHEDULE: "* * * * * *",
      SESSIOND_SWEEP_JITTER: "0s",
    });
    const callers = await callersOnAll(serving);
    const sweeps = () =>
      logOf(serving).filter(({ msg }) => msg.startsWith("sweep ") && msg !== "sweep failed");
    await until("three sweeps", async () => sweeps().length >= 3);
    const [leader] = sweeps();
    expect(distinct(sweeps().map(({ pid }) => pid))).to.deep.equal([leader?.pid]);
    const other = pidsOf(callers).find((pid) => pid !== leader?.pid);

    process.kill(leader?.pid ?? 0, "SIGKILL");

    await until("the other one sweeps", async () => sweeps().some(({ pid }) => pid === other));
    await until("the killed one is replaced", async () =>
      logOf(serving).some(({ msg }) => msg === "worker serves"),
    );
    const sweptBefore = sweeps().length;
    await until("three more sweeps", async () => sweeps().length >= sweptBefore + 3);
    expect(distinct(sweeps().map(({ pid }) => pid))).to.deep.equal([leader?.pid, other]);
  });

  it("have to serve all at the start: what prevents one ends sessiond, once and with 1", async () => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const env = { ...databaseEnv(await sessiond.database()), ...twoWorkers };

    const { code, stdout, stderr } = await sessiond.run({
      env: { ...env, SESSIOND_PORT: String(port) },
    });

    expect({ code, stdout }, stderr).to.deep.equal({ code: 1, stdout: "" });
    const messages = stderr.split("\n").filter((line) => line.includes("cannot listen"));
    expect(messages).to.deep.equal([
      `sessiond: cannot listen on host "127.0.0.1", port ${port}: another process is using this port (see SESSIOND_PORT)`,
    ]);
    expect(stderr).not.to.include("serving").and.not.include("worker ended");
  });

  it("go on when a replacement cannot start, which is tried again and again", async () => {
    const { SESSIOND_KEY_ENCRYPTION_KEYS: key = "", ...env } = databaseEnv(
      await sessiond.database(),
    );
    const file = await createTestFile(key);
    cleanups.push(() => file.remove());
    const serving = await sessiond.serve({
      env: { ...env, ...twoWorkers, SESSIOND_KEY_ENCRYPTION_KEYS_FILE: file.path },
    });
    const [killed] = pidsOf(await callersOnAll(serving));

    await file.write("canary");
    process.kill(killed ?? 0, "SIGKILL");

    const ends = () => logOf(serving).filter(({ msg }) => msg === "worker ended: it is replaced");
    await until("it has failed twice", async () => ends().length >= 3);
    await openSession(connect(serving.url).client);
    await file.write(key);
    await until("it serves", async () => logOf(serving).some(({ msg }) => msg === "worker serves"));
    expect(ends().map(({ restartMs }) => restartMs)).to.deep.equal(
      [0, 1000, 2000, 4000, 8000, 16_000, 30_000].slice(0, ends().length),
    );
    const [first, ...failed] = ends();
    expect(first?.reason).to.equal(undefined);
    for (const { reason } of failed) {
      expect(reason).to.include("SESSIOND_KEY_ENCRYPTION_KEYS_FILE").and.not.include("canary");
    }
  });

  it("all read files again on SIGHUP, and switch the log on SIGUSR2, also a later one", async () => {
    const token = newToken();
    const file = await createTestFile(tokenLine(token));
    cleanups.push(() => file.remove());
    const { serving } = await serve({
      SESSIOND_LOG_LEVEL: "info",
      SESSIOND_CALLERS_FILE: file.path,
    });
    const workersSaying = (msg: string) =>
      distinct(ofWorkers(serving, msg).map(({ worker }) => worker)).sort();

    await file.write(tokenLine(token), tokenLine(newToken(), { name: "other" }));
    serving.signal("SIGHUP");
    await until(
      "both have read it",
      async () => workersSaying("the callers file was read").join() === "1,2",
    );

    const switched = "log level switched: every call is logged";
    serving.signal("SIGUSR2");
    await until("both are switched", async () => workersSaying(switched).includes(2));
    const before = ofWorkers(serving, switched);
    expect(before.map(({ worker }) => worker)).to.have.members([undefined, 1, 2]);
    process.kill(before.find(({ worker }) => worker === 2)?.pid ?? 0, "SIGKILL");
    await until(
      "the new one is switched, too",
      async () => ofWorkers(serving, switched).length > before.length,
    );
    expect(ofWorkers(serving, switched).at(-1)?.worker).to.equal(2);
  });

  it("are not mistaken for those of another program, which runs a single process", async () => {
    const env = databaseEnv(await sessiond.database());
    const command = [process.execPath, "-e", OTHER_CLUSTER] as const;
    const serving = await sessiond.serve({ env, command });
    await openSession(serving.client);
    const { code, stderr } = await serving.end("SIGTERM");
    expect(code, stderr).to.equal(0);
    expect(stderr).to.include('"stopped"');

    const refused = await sessiond.run({ env: { ...env, SESSIOND_WORKERS: "2" }, command });
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(
      /^sessiond: SESSIOND_WORKERS is 2, but .*: set it to 1, or .*\n$/,
    );
  });

  it("are started by sessiond alone", async () => {
    const { code, stderr } = await sessiond.run({ args: ["worker"] });
    expect(code).to.equal(2);
    expect(stderr).to.match(/^sessiond: unknown command 'worker' .*\(see sessiond --help\)\n$/);
  });

  it("replace one that is stuck", async () => {
    const { serving } = await serve();
    const [stuck] = pidsOf(await callersOnAll(serving));
    process.kill(stuck ?? 0, "SIGSTOP");

    await until("it is replaced", async () =>
      logOf(serving).some(({ msg }) => msg === "worker serves"),
    );

    const ended = logOf(serving).find(({ msg }) => msg === "worker ended: it is replaced");
    expect(ended).to.include({ workerPid: stuck, reason: "it has not answered for 30 s" });
  });

  it("leave no connection open that was handed to one which died before it took it", async () => {
    const { serving } = await serve();
    const [stuck = 0] = pidsOf(await callersOnAll(serving));
    process.kill(stuck, "SIGSTOP");
    const { hostname, port } = new URL(serving.url);
    const sockets = Array.from({ length: 4 }, () => net.connect(Number(port), hostname));
    let closed = 0;
    for (const socket of sockets) {
      cleanups.push(() => void socket.destroy());
      socket.on("close", () => {
        closed += 1;
      });
      socket.on("error", () => {});
      socket.resume().write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }
    await until("all but one are answered", async () => closed === 3);

    process.kill(stuck, "SIGKILL");

    await until("the last one is closed", async () => closed === 4);
  });

  it("share one embedded PostgreSQL, which ends after them, also with npm", async () => {
    const directory = await sessiond.directory();
    const env = { ...twoWorkers, SESSIOND_DATA_DIR: directory };
    const npm = sessiond.start({ command: ["npm", "start"], env });
    const url = await npm.says(BANNER);
    const serving = Object.assign(npm, { url, client: connect(url).client });
    const callers = await callersOnAll(serving);
    const pids = pidsOf(callers);
    for (const caller of callers) await caller.stop();
    expect(await postmasterOf(directory)).not.to.equal(undefined);

    // npm passes nothing on.
    npm.signal(process.platform === "linux" ? "SIGKILL" : "SIGTERM");

    await until("all have ended", async () => !pids.some(processExists));
    await until("PostgreSQL has ended", async () => !(await postmasterOf(directory)));
    expect((await npm.ended).stderr).to.include('"stopped"');
  });
});
