import { once } from "node:events";
import { parseArgs } from "node:util";
import { destination, pino } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { type App, startApp } from "./app.ts";
import { banner } from "./banner.ts";
import { type Config, ConfigError, loadConfig } from "./config/config.ts";
import { describeConfig, formatConfig } from "./config/print-config.ts";
import { serializeError } from "./log/error-serializer.ts";
import { ListenError } from "./server/listener.ts";
import { SessionError } from "./session/errors.ts";
import { KeyDecryptionError } from "./session/key-encryption.ts";
import { ignoreWriteErrors, stopSignal } from "./signals.ts";

const USAGE = `sessiond ${packageJson.version}: a login-session service

Usage: sessiond [--print-config | --version | --help]

  --print-config  print the settings in force, with secrets hidden, and exit
  --version       print the version and exit
  --help          print this text and exit

Settings are environment variables; docs/configuration.md lists them.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      "print-config": { type: "boolean" },
      version: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) process.stdout.write(USAGE);
  else if (values.version) process.stdout.write(`${packageJson.version}\n`);
  else if (values["print-config"]) process.stdout.write(formatConfig(describeConfig(process.env)));
  else await serve();
}

async function serve(): Promise<void> {
  const config = loadConfig(process.env);
  // Standard output is for the banner, standard error for the log. Synchronous, so that a process
  // that ends loses no line.
  const stderr = destination({ dest: 2, sync: true });
  const log = pino({ level: config.logLevel, serializers: { err: serializeError } }, stderr);
  ignoreWriteErrors([process.stdout, process.stderr, stderr]);

  const stopping = stopSignal(log, () => process.exit(1));
  await run(config, log, stopping);
  log.info("stopped");
}

/** Serves until the signal fires, which may also be during the start. */
async function run(config: Config, log: pino.Logger, signal: AbortSignal): Promise<void> {
  let app: App;
  try {
    app = await startApp({ config, log, signal });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  process.stdout.write(banner(packageJson.version, config, app));
  log.info({ url: app.server.url }, "serving");
  if (!signal.aborted) await once(signal, "abort");
  await app.stop();
}

const settingOfOption = { host: "SESSIOND_HOST", port: "SESSIOND_PORT" } as const;

/** The message for whoever started the process. */
function explain(error: unknown): string {
  // A failure of the clean-up hides why there was something to clean up.
  if (error instanceof SuppressedError) return explain(error.suppressed);
  if (error instanceof ConfigError) return error.message;
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
    return `${error.message} (see SESSIOND_KEY_ENCRYPTION_KEYS)`;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith("ERR_PARSE_ARGS_")) return `${error.message} (see --help)`;
  return error.message || String(error);
}

try {
  await main();
  // Nothing that still keeps the event loop busy may delay the exit.
  process.exit(0);
} catch (error) {
  process.stderr.write(`sessiond: ${explain(error)}\n`);
  process.exit(1);
}
