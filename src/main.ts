import { parseArgs } from "node:util";
import { destination, pino } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { type App, startApp } from "./app.ts";
import { banner } from "./banner.ts";
import { ConfigError, describeConfig, formatConfig, loadConfig } from "./config.ts";
import { SessionError } from "./session/errors.ts";

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
  // Standard output is for the banner; what a machine reads goes to standard error. Synchronous,
  // so that the last words of a dying process are not lost.
  const log = pino({ level: config.logLevel }, destination({ dest: 2, sync: true }));

  // A signal during the start stops what the start has brought up, once it is up.
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  let signals = 0;
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      signals += 1;
      if (signals > 1) process.exit(1);
      stopped.resolve(name);
    });
  }

  const app = await startApp({ config, log });
  process.stdout.write(banner(packageJson.version, config, app));
  log.info({ url: app.server.url }, "serving");
  await stopOn(await stopped.promise, app, log);
}

async function stopOn(signal: NodeJS.Signals, app: App, log: pino.Logger): Promise<void> {
  log.info({ signal }, "stopping");
  await app.stop();
  log.info("stopped");
}

/** What went wrong, in words for whoever started the process. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof SessionError) {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
    return `${error.reason}: ${error.message}${cause}`;
  }
  return error instanceof Error ? error.message || String(error) : String(error);
}

try {
  await main();
  // Whatever still keeps the event loop busy has had its time.
  process.exit(0);
} catch (error) {
  process.stderr.write(`sessiond: ${explain(error)}\n`);
  process.exit(1);
}
