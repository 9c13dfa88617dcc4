import { Command } from "commander";
import { ConfigError } from "../config/config.ts";
import { describeConfig, formatConfig } from "../config/print-config.ts";
import type { Cli } from "./cli.ts";
import { ExitCode } from "./exit-codes.ts";

/** `sessiond config show|check` */
export function configCommand(cli: Cli, end: (exitCode: number) => void): Command {
  const config = new Command("config")
    .summary("show or check the settings")
    .description("Shows or checks the settings of this environment.");
  config
    .command("show")
    .summary("show the settings in force, and where they come from")
    .description("Shows the settings in force, and where they come from. Secrets are hidden.")
    .action(async () => {
      const settings = describeConfig(cli.host.env);
      const text = cli.isJson
        ? settings.map((setting) => `${JSON.stringify(setting)}\n`).join("")
        : formatConfig(settings);
      await cli.stdout.write(text);
    });
  config
    .command("check")
    .summary("check the settings")
    .description(
      "Checks the settings, and prints what is wrong: all of it, each with what is right.",
    )
    .action(async () => {
      const problems = problemsOf(cli);
      if (cli.isJson) {
        await cli.stdout.writeJson(`${JSON.stringify({ ok: problems.length === 0, problems })}\n`);
      } else if (problems.length === 0) {
        await cli.stdout.write("the configuration is valid\n");
      } else {
        await cli.stdout.write(problems.map((problem) => `${problem}\n`).join(""));
      }
      if (problems.length > 0) end(ExitCode.problemsFound);
    });
  return config;
}

function problemsOf(cli: Cli): readonly string[] {
  try {
    describeConfig(cli.host.env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
