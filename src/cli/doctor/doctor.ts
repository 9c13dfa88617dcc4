import { Command } from "commander";
import { type Config, ConfigError, loadConfig } from "../../config/config.ts";
import type { Environment } from "../../config/env-reader.ts";
import { type DatabaseFacts, readDatabaseFacts } from "../../doctor-checks.ts";
import type { Cli } from "../cli.ts";
import { ExitCode } from "../exit-codes.ts";
import { visible } from "../table.ts";
import { callers } from "./callers.ts";
import { judgeClock } from "./clock.ts";
import { configuration } from "./configuration.ts";
import { judgeDatabase } from "./database.ts";
import {
  type Check,
  type DoctorContext,
  type Finding,
  type Level,
  ok,
  problem,
} from "./finding.ts";
import { judgeKeys } from "./keys.ts";
import { metrics } from "./metrics.ts";
import { judgePooler } from "./pooler.ts";
import { service } from "./service.ts";
import { judgeSweep } from "./sweep.ts";
import { tls } from "./tls.ts";

/** What one part of the checks has found. */
export interface Report {
  readonly name: string;
  readonly findings: readonly Finding[];
}

/** `sessiond doctor` */
export function doctorCommand(cli: Cli, end: (exitCode: number) => void): Command {
  return new Command("doctor")
    .summary("find out what is wrong, and how to fix it")
    .description(
      "Checks the settings, the database, keys, clock, TLS, the pooler, callers and the running service of " +
        "this environment. It changes nothing, says what is wrong and how to fix it, and ends with " +
        `${ExitCode.problemsFound} if there are problems.`,
    )
    .option("--offline", "do not ask the running service")
    .action(async ({ offline = false }: { offline?: boolean }) => {
      const reports = await examine(cli, offline);
      const count = (level: Level) =>
        reports.flatMap(({ findings }) => findings).filter((finding) => finding.level === level)
          .length;
      const counts = { problems: count("problem"), warnings: count("warning") };
      if (cli.isJson)
        await cli.stdout.writeJson(`${JSON.stringify({ ...counts, checks: reports })}\n`);
      else await cli.stdout.write(formatReports(reports, counts));
      if (counts.problems > 0) end(ExitCode.problemsFound);
    });
}

async function examine(cli: Cli, offline: boolean): Promise<readonly Report[]> {
  const { env } = cli.host;
  const context: DoctorContext = { cli, env, config: validConfig(env) };
  using progress = cli.progress();
  const run = async ({ name, run }: Check): Promise<Report> => {
    progress.update(`checking ${name}`);
    return { name, findings: await run(context) };
  };
  const reports = [await run(configuration)];
  progress.update("checking database");
  reports.push(...(await examineDatabase(context)));
  for (const check of [tls, callers, service, metrics]) {
    if (!offline || !check.isOnline) reports.push(await run(check));
  }
  return reports.filter(({ findings }) => findings.length > 0);
}

function validConfig(env: Environment): Config | undefined {
  try {
    return loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

const databaseChecks: readonly (readonly [
  name: string,
  judge: (facts: DatabaseFacts, config: Config) => readonly Finding[],
])[] = [
  ["database", judgeDatabase],
  ["keys", judgeKeys],
  ["clock", judgeClock],
  ["pooler", judgePooler],
  ["sweep", judgeSweep],
];

async function examineDatabase({ cli, config }: DoctorContext): Promise<readonly Report[]> {
  if (config === undefined) return [];
  const { url } = config.database;
  if (url === undefined) {
    const text =
      "the embedded PostgreSQL, for trying sessiond out, which doctor does not look into";
    return [{ name: "database", findings: [ok(text)] }];
  }
  try {
    const facts = await readDatabaseFacts(config, url, cli.host.now, cli.signal);
    return databaseChecks.map(([name, judge]) => ({ name, findings: judge(facts, config) }));
  } catch (error) {
    cli.signal.throwIfAborted();
    const advice =
      "the checks of the database and its keys could not be completed: correct this, and run it again";
    return [{ name: "database", findings: [problem(cli.host.explain(error), advice)] }];
  }
}

function formatReports(
  reports: readonly Report[],
  { problems, warnings }: { readonly problems: number; readonly warnings: number },
): string {
  const lines = reports.flatMap(({ name, findings }) => [
    name,
    ...findings.flatMap(({ level, text, fix }) => [
      `  ${level.padEnd(8)} ${visible(text)}`,
      ...(fix === undefined ? [] : [`  ${"".padEnd(8)} to do: ${visible(fix)}`]),
    ]),
  ]);
  const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${lines.join("\n")}\n\n${plural(problems, "problem")}, ${plural(warnings, "warning")}\n`;
}
