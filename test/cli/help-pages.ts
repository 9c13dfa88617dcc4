import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { pino } from "pino";
import { Cli } from "../../src/cli/cli.ts";
import { Output } from "../../src/cli/output.ts";
import { buildProgram } from "../../src/cli/program.ts";

export const HELP_DIRECTORY = join(import.meta.dirname, "help");

/** The tree of commands, with which nothing can be run. */
export function programForHelp(): Command {
  const { signal } = new AbortController();
  const none = { isTerminal: false, columns: () => 80, hasColors: false };
  const output = new Output((_, done) => done(), none);
  const host = {
    version: "0.0.0",
    env: {},
    stdin: new PassThrough(),
    now: Date.now,
    serve: async () => {},
    openLog: async () => pino({ level: "silent" }),
    explain: String,
  };
  const outputs = { stdout: output, stderr: output };
  return buildProgram(new Cli(host, outputs, signal, () => ({ color: false })), () => {});
}

/** The help of each command at 80 columns, by the name of its file. */
export function helpPages(): ReadonlyMap<string, string> {
  const pages = new Map<string, string>();
  const visit = (command: Command, path: string): void => {
    let text = "";
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
      getOutHelpWidth: () => 80,
      getOutHasColors: () => false,
    });
    command.outputHelp();
    pages.set(`${path}.txt`, text);
    for (const child of command.commands) visit(child, `${path}-${child.name()}`);
  };
  visit(programForHelp(), "sessiond");
  return pages;
}
