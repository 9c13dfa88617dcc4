import cluster from "node:cluster";
import { once } from "node:events";
import type { Logger } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { startApp } from "./app.ts";
import { banner, type Whereabouts } from "./banner.ts";
import { visibleMessage } from "./cli/visible-message.ts";
import { CreateTokenError, createToken } from "./commands/create-token.ts";
import { type Config, ConfigError, loadConfig } from "./config/config.ts";
import { BoundedOutput, type WriteBytes } from "./log/bounded-output.ts";
import { createLevelSwitch } from "./log/level-switch.ts";
import { createLineFormat, createLog, type LogOptions } from "./log/log.ts";
import { standardStreamWriter } from "./log/standard-stream.ts";
import { startPrimary } from "./primary.ts";
import { ListenError } from "./server/listener.ts";
import { SessionError } from "./session/errors.ts";
import { KeyDecryptionError } from "./session/key-encryption.ts";
import { stopSignal } from "./signals.ts";
import { runWorker, tellPrimary } from "./worker.ts";
import { WORKER_ARGUMENT } from "./worker-messages.ts";

/** How much of each output may wait for its reader. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** How long the end of the process waits for the readers of its outputs. */
const EXIT_FLUSH_MS = 1000;

// Of the service, standard output is for the banner, standard error for the log. Commands wait for their
// reader, the service does not.
const writeStdout = standardStreamWriter(process.stdout);
const writeStderr = standardStreamWriter(process.stderr);
const stdout = new BoundedOutput(writeStdout, MAX_OUTPUT_BYTES);
const stderr = new BoundedOutput(writeStderr, MAX_OUTPUT_BYTES);

/** With another argument, it is another program's cluster that runs sessiond. */
const isOwnWorker = cluster.isWorker && process.argv[2] === WORKER_ARGUMENT;

/** What they end with if a signal ends them, as shells do it. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

/** @returns the exit code */
async function main(): Promise<number> {
  if (isOwnWorker) {
    await runWorker(openWorkerLog, () => stderr.dropped);
    return 0;
  }
  const args = process.argv.slice(2);
  const [first, ...rest] = args;
  if (first === undefined) await serve();
  else if (first === "create-token") await printToken(rest);
  else return await runCommand(first === "--print-config" ? ["config", "show", ...rest] : args);
  return 0;
}

/** Nothing of the command line is loaded where sessiond only serves. */
async function runCommand(args: readonly string[]): Promise<number> {
  const { runCommandLine } = await import("./cli/run.ts");
  return runCommandLine(args, {
    host: {
      version: packageJson.version,
      env: process.env,
      stdin: process.stdin,
      now: Date.now,
      serve,
      openLog,
      explain,
    },
    stdout: outputOf(process.stdout, writeStdout),
    stderr: outputOf(process.stderr, writeStderr),
    onInterrupt(interrupted) {
      let isInterrupted = false;
      for (const [name, code] of Object.entries(INTERRUPTED)) {
        process.on(name, () => {
          // Whoever sends a second signal does not want to wait.
          if (isInterrupted) process.exit(code);
          isInterrupted = true;
          interrupted(code);
        });
      }
    },
  });
}

function outputOf(stream: NodeJS.WriteStream, write: WriteBytes) {
  const isTerminal = stream.isTTY === true;
  return {
    write,
    isTerminal,
    columns: () => (isTerminal ? stream.columns : undefined),
    hasColors: isTerminal && stream.hasColors(),
  };
}

async function printToken(args: readonly string[]): Promise<void> {
  const output = await createToken(args);
  stderr.writeLine(output.stderr);
  stdout.writeLine(output.stdout);
}

function logOptions({ log: { level, format } }: Config): LogOptions {
  const { isTTY } = process.stderr;
  return { level, format, terminal: isTTY, colors: isTTY && process.stderr.hasColors() };
}

function openLog(config: Config): Promise<Logger> {
  return createLog(stderr, logOptions(config));
}

/** The primary process reads it, and writes it in the configured format. */
async function openWorkerLog({ log: { level } }: Config, worker: number): Promise<Logger> {
  const json = { level, format: "json", terminal: false, colors: false } as const;
  const log = (await createLog(stderr, json)).child({ worker });
  endOnDefects(log);
  return log;
}

function endOnDefects(log: Logger): void {
  process.on("uncaughtException", (error, origin) => {
    log.fatal({ err: error, origin }, "unexpected error: the process ends");
    void exit(1);
  });
}

/** What serves: this process, or its workers. */
interface Service extends Whereabouts {
  readonly server: { readonly url: string; readonly port: number };
  readFiles(): unknown;
  /** After the log was switched by SIGUSR2. */
  switchLog?(): void;
  stop(): Promise<void>;
}

async function serve(): Promise<void> {
  const config = loadConfig(process.env);
  const log = await openLog(config);
  endOnDefects(log);

  let service: Service | undefined;
  const switchLevel = createLevelSwitch(log);
  process.on("SIGUSR2", () => {
    switchLevel();
    service?.switchLog?.();
  });
  const readFiles = () => {
    log.info({ signal: "SIGHUP" }, "checking for changed files");
    service?.readFiles();
  };
  await run(config, log, stopSignal(log, exit, readFiles), (started) => {
    service = started;
  });
  log.info("stopped");
}

/** Serves until the signal fires, which may also be during the start. */
async function run(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  onStarted: (service: Service) => void,
): Promise<void> {
  let service: Service;
  try {
    service = await start(config, log, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  onStarted(service);
  stdout.writeLine(banner(packageJson.version, config, service));
  log.info({ url: service.server.url }, "serving");
  if (!signal.aborted) await once(signal, "abort");
  await service.stop();
}

async function start(config: Config, log: Logger, signal: AbortSignal): Promise<Service> {
  const droppedLogLines = () => stderr.dropped;
  if (config.workers === 1) return startApp({ config, log, signal, droppedLogLines });
  if (cluster.isWorker) {
    throw new Error(
      `SESSIOND_WORKERS is ${config.workers}, but sessiond is a worker of another program (node:cluster, ` +
        "as with the cluster mode of pm2) and cannot start workers: set it to 1, or start sessiond as " +
        "an ordinary process (with pm2: in fork mode)",
    );
  }
  const formatLine = await createLineFormat(logOptions(config));
  return startPrimary({
    config,
    log,
    signal,
    droppedLogLines,
    onLogLine: (line) => stderr.writeLine(tryFormat(`${line}\n`)),
  });

  function tryFormat(line: string): string {
    try {
      return formatLine(line);
    } catch {
      // Node's own messages, such as that the memory is exhausted, are not in JSON.
      return line;
    }
  }
}

const settingOfOption = { host: "SESSIOND_HOST", port: "SESSIOND_PORT" } as const;

/** The message for whoever started the process. */
function explain(error: unknown): string {
  // A failure of the clean-up hides why there was something to clean up.
  if (error instanceof SuppressedError) return explain(error.suppressed);
  if (error instanceof ConfigError) return error.message;
  if (error instanceof CreateTokenError) return `${error.message} (see create-token --help)`;
  if (error instanceof SessionError) {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
    return `${error.reason}: ${error.message}${cause}`;
  }
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ListenError) {
    const settings = error.options.map((option) => settingOfOption[option]);
    return `${error.message} (see ${settings.join(" and ")})`;
  }
  if (error instanceof KeyDecryptionError) {
    const advice = error.isCorrupt
      ? "restore it from a backup"
      : "see SESSIOND_KEY_ENCRYPTION_KEYS";
    return `${error.message} (${advice})`;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith("ERR_PARSE_ARGS_")) return `${error.message} (see --help)`;
  return error.message || String(error);
}

/** Ends the process when its output is written, or a second later if nobody reads it. */
async function exit(code: number): Promise<never> {
  await Promise.all([stdout.flush(EXIT_FLUSH_MS), stderr.flush(EXIT_FLUSH_MS)]);
  process.exit(code);
}

try {
  // Nothing that still keeps the event loop busy may delay the exit.
  await exit(await main());
} catch (error) {
  const message = explain(error);
  if (isOwnWorker) {
    await tellPrimary({ type: "failed", message });
  } else {
    stderr.writeLine(`sessiond: ${visibleMessage(error, message)}\n`);
  }
  await exit(1);
}
