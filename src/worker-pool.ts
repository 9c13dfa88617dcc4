import cluster, { type Worker } from "node:cluster";
import { createInterface } from "node:readline";
import type { Logger } from "pino";
import { restartDelayMs, STABLE_MS } from "./restart-delay.ts";
import {
  type FromWorker,
  type StartMessage,
  type ToWorker,
  WORKER_ARGUMENT,
} from "./worker-messages.ts";

const PING_MS = 5000;
/** A worker that has left so many pings unanswered is stuck, and is replaced. */
const MAX_UNANSWERED_PINGS = 6;
/** It answers the first one when its code is loaded, which a busy or throttled processor delays. */
const MAX_UNANSWERED_PINGS_AT_START = 24;

export interface WorkerPoolOptions {
  readonly size: number;
  readonly log: Logger;
  /** Called with each line of a worker's log. */
  readonly onLogLine: (line: string) => void;
  readonly startMessage: () => Omit<StartMessage, "type" | "worker" | "workers" | "port">;
  readonly watcher?: WorkerWatcher | undefined;
  /** How long a worker may take until it serves. Then it is killed. */
  readonly startTimeoutMs: number;
  /** How long workers may take to stop. Then they are killed. */
  readonly stopTimeoutMs: number;
}

/** Learns of the workers. `id` is that of the process: the one that replaces it has another one. */
export interface WorkerWatcher {
  serving(id: number, number: number): void;
  received(id: number, message: ReportOfWorker): void;
  /** @param isReplaced whether it ended by itself, and another one takes its place */
  ended(id: number, isReplaced: boolean): void;
}

/** What a worker tells of itself, or answers. */
export type ReportOfWorker = Extract<
  FromWorker,
  { readonly type: "metrics" | "readiness" | "document" }
>;

/** Where the workers listen. */
export interface Address {
  readonly url: string;
  readonly port: number;
}

/** What a terminal or a supervisor sends to all processes. Workers ignore it once their code is loaded. */
const STOP_SIGNALS: readonly (string | null)[] = ["SIGTERM", "SIGINT", "SIGHUP"];

/** The place of one worker after another. */
interface Slot {
  readonly number: number;
  worker: Worker | undefined;
  /** The port that its worker was told to listen on. Undefined: the configured one. */
  port: number | undefined;
  /** By `performance.now()`. Undefined: it does not serve. */
  servingSince: number | undefined;
  /** How many pings its worker has been sent. */
  pings: number;
  /** How many pings in a row its worker has not answered. */
  unanswered: number;
  /** Why its worker ends, as the worker explains it. */
  reason: string | undefined;
  /** How many of its workers in a row have ended soon. */
  failures: number;
  restart: NodeJS.Timeout | undefined;
}

/** The handle with which Node passes a connection on. */
interface Connection {
  close(): void;
}

/** A worker ended before it served. The message is for users. */
export class WorkerStartError extends Error {
  override readonly name = "WorkerStartError";
}

/**
 * Processes that serve on one port: starts them, replaces those that end, and stops them.
 *
 * This process accepts the connections and hands them to the workers in turn. One of the workers leads:
 * it runs what must run once. If it ends, another one leads.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #slots: readonly Slot[];
  readonly #started = Promise.withResolvers<Address>();
  readonly #allEnded = Promise.withResolvers<void>();
  #state: "starting" | "serving" | "stopping" = "starting";
  #hasStartFailed = false;
  #address: Address | undefined;
  #leader: Slot | undefined;
  /** The worker to which a connection was handed last. */
  readonly #handedTo = new WeakMap<Connection, Worker>();
  #pings: NodeJS.Timeout | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.size }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      port: undefined,
      servingSince: undefined,
      pings: 0,
      unanswered: 0,
      reason: undefined,
      failures: 0,
      restart: undefined,
    }));
  }

  /**
   * Starts all workers, and resolves when all serve. After a failure, `stop` must follow.
   *
   * @throws {WorkerStartError} if one ends before all serve
   */
  start(): Promise<Address> {
    // Workers that accept for themselves from a shared socket, or from sockets of their own, share few
    // long-lived connections unevenly: docs/decisions.md has figures.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ args: [WORKER_ARGUMENT], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    for (const slot of this.#slots) this.#fork(slot);
    this.#pings = setInterval(() => this.#ping(), PING_MS);
    return this.#started.promise;
  }

  /** Tells all workers. */
  tell(message: ToWorker): void {
    for (const slot of this.#slots) send(slot, message);
  }

  /** Tells all workers to stop, and resolves when they have ended. */
  async stop(): Promise<void> {
    this.#state = "stopping";
    clearInterval(this.#pings);
    for (const { restart } of this.#slots) clearTimeout(restart);
    this.tell({ type: "stop" });
    this.#noticeEnd();
    const timeout = setTimeout(() => {
      this.#options.log.error("workers do not stop: they are killed");
      this.kill();
    }, this.#options.stopTimeoutMs);
    await this.#allEnded.promise;
    clearTimeout(timeout);
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const { worker } of this.#slots) worker?.process.kill("SIGKILL");
  }

  #fork(slot: Slot): void {
    // With port 0, Node shares the port that the system chose among the workers that were told 0. If none
    // of them is left, the next one has to be told the number.
    const other = this.#slots.find(({ servingSince }) => servingSince !== undefined);
    slot.port = other === undefined ? this.#address?.port : other.port;
    slot.reason = undefined;
    slot.pings = 0;
    slot.unanswered = 0;
    let worker: Worker;
    try {
      worker = cluster.fork();
    } catch (error) {
      // Such as that memory is short. The other workers go on, and it is tried again.
      slot.reason = error instanceof Error ? error.message : String(error);
      this.#onEnded(slot, undefined, null, null);
      return;
    }
    slot.worker = worker;
    // Undefined if the process could not be started because too many files are open.
    const stderr = worker.process.stderr ?? undefined;
    if (stderr !== undefined) createInterface(stderr).on("line", this.#options.onLogLine);
    worker.on("message", (message: FromWorker) => {
      if (message.type === "serving") this.#onServing(slot, message);
      else if (message.type === "pong") slot.unanswered = 0;
      else if (message.type === "failed") slot.reason = message.message;
      else this.#options.watcher?.received(worker.id, message);
    });
    worker.on("error", (error) => {
      slot.reason ??= error.message;
    });
    // After "exit", when all that it has logged has been read.
    worker.process.once("close", (code, signal) => {
      this.#options.watcher?.ended(worker.id, this.#state === "serving");
      this.#onEnded(slot, worker.process.pid, code, signal);
    });
    this.#closeConnectionNotTaken(worker);
    send(slot, {
      type: "start",
      worker: slot.number,
      workers: this.#options.size,
      port: slot.port,
      ...this.#options.startMessage(),
    });
  }

  /**
   * If a worker ends before it takes the connection that it was handed, as one does that is stuck, Node keeps
   * this connection open for ever. Closed, its client connects again.
   */
  #closeConnectionNotTaken(worker: Worker): void {
    const { process } = worker;
    const sendToProcess = process.send;
    let last: Connection | undefined;
    const send = (...args: readonly unknown[]) => {
      const [, connection] = args;
      if (isConnection(connection)) {
        last = connection;
        this.#handedTo.set(connection, worker);
      }
      return Reflect.apply(sendToProcess, process, args);
    };
    Object.assign(process, { send });
    process.once("close", () => {
      // Unless it was refused, and handed to another worker. One that was taken is closed here already.
      if (last !== undefined && this.#handedTo.get(last) === worker) last.close();
    });
  }

  #onServing(slot: Slot, { url, port }: Address): void {
    if (this.#address !== undefined && port !== this.#address.port) {
      // The last worker that shared the port ended while this one started.
      slot.reason = `it listens on port ${port} instead of ${this.#address.port}`;
      slot.worker?.process.kill("SIGKILL");
      return;
    }
    slot.servingSince = performance.now();
    slot.unanswered = 0;
    if (slot.worker !== undefined) this.#options.watcher?.serving(slot.worker.id, slot.number);
    this.#address ??= { url, port };
    this.#chooseLeader();
    if (this.#state === "serving") {
      const { log } = this.#options;
      log.info({ worker: slot.number, workerPid: slot.worker?.process.pid }, "worker serves");
    } else if (
      this.#state === "starting" &&
      this.#slots.every(({ servingSince }) => servingSince !== undefined)
    ) {
      this.#state = "serving";
      this.#started.resolve(this.#address);
    }
  }

  /** Pings are counted, and not the time: this process may be suspended together with the workers. */
  #ping(): void {
    for (const slot of this.#slots) {
      if (slot.worker === undefined) continue;
      const problem = this.#problemOf(slot);
      if (problem !== undefined) {
        slot.reason = problem;
        slot.worker.process.kill("SIGKILL");
      }
      slot.pings += 1;
      slot.unanswered += 1;
      send(slot, { type: "ping" });
    }
  }

  /** Why its worker has to be killed, if it has to. */
  #problemOf({ servingSince, pings, unanswered }: Slot): string | undefined {
    const isStarting = servingSince === undefined;
    const maxUnanswered = isStarting ? MAX_UNANSWERED_PINGS_AT_START : MAX_UNANSWERED_PINGS;
    if (unanswered >= maxUnanswered) {
      return `it has not answered for ${(maxUnanswered * PING_MS) / 1000} s`;
    }
    const { startTimeoutMs } = this.#options;
    if (isStarting && pings * PING_MS >= startTimeoutMs) {
      return `it did not serve within ${startTimeoutMs / 1000} s`;
    }
    return undefined;
  }

  #chooseLeader(): void {
    if (this.#leader !== undefined || this.#state === "stopping") return;
    this.#leader = this.#slots.find(({ servingSince }) => servingSince !== undefined);
    if (this.#leader !== undefined) send(this.#leader, { type: "lead" });
  }

  #onEnded(
    slot: Slot,
    workerPid: number | undefined,
    code: number | null,
    signal: string | null,
  ): void {
    const { log } = this.#options;
    const { servingSince, number, reason } = slot;
    slot.worker = undefined;
    slot.servingSince = undefined;
    if (this.#leader === slot) this.#leader = undefined;
    const ended = { worker: number, workerPid, code, signal, reason };
    if (this.#state === "stopping") {
      // What prevents one worker at the start often prevents all. The first one has said what it is.
      const hasFailedLikewise = this.#hasStartFailed && signal === null && reason !== undefined;
      const wasLoading = servingSince === undefined && STOP_SIGNALS.includes(signal);
      const isExpected = code === 0 || hasFailedLikewise || wasLoading;
      if (!isExpected) log.error(ended, "worker ended while it stopped");
      this.#noticeEnd();
      return;
    }
    if (this.#state === "starting") {
      this.#hasStartFailed = true;
      const how = `worker ${number} ended with ${signal ?? `status ${code}`} before it served`;
      const killed = reason === undefined ? how : `${how}: ${reason}`;
      this.#started.reject(new WorkerStartError(signal === null ? (reason ?? how) : killed));
      return;
    }
    this.#chooseLeader();
    const wasStable = servingSince !== undefined && performance.now() - servingSince >= STABLE_MS;
    if (wasStable) slot.failures = 0;
    const restartMs = restartDelayMs(slot.failures);
    slot.failures += 1;
    slot.restart = setTimeout(() => this.#fork(slot), restartMs);
    log.error({ ...ended, restartMs }, "worker ended: it is replaced");
  }

  #noticeEnd(): void {
    if (this.#slots.every(({ worker }) => worker === undefined)) this.#allEnded.resolve();
  }
}

/** The second argument of `send` may also be a callback, or nothing. */
function isConnection(value: unknown): value is Connection {
  return typeof value === "object" && value !== null && "close" in value;
}

function send({ worker }: Slot, message: ToWorker): void {
  // One that has just ended gets nothing; its end is noticed otherwise.
  if (worker?.isConnected()) worker.send(message, () => {});
}
