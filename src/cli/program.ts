import { Command, Help, Option } from "commander";
import { auditCommand } from "./audit.ts";
import type { Cli } from "./cli.ts";
import { completionCommand } from "./completion.ts";
import { configCommand } from "./config.ts";
import { doctorCommand } from "./doctor/doctor.ts";
import { helpCommand } from "./help.ts";
import { keysCommand, rewrapKeysCommand, rotateKeyCommand } from "./keys.ts";
import { migrateCommand } from "./migrate.ts";
import { sessionsCommand } from "./sessions.ts";
import { sweepCommand } from "./sweep.ts";
import { tokenCommand } from "./token.ts";

const GENERAL_OPTIONS = "General options:";
const AFTER_HELP = `
Without a command, sessiond serves. Settings are environment variables;
docs/configuration.md lists them, docs/cli.md explains the commands.
Older spellings: --print-config (config show), create-token (token create).
`;

/**
 * The tree of all commands, which runs nothing until it is given arguments.
 *
 * @param cli what the commands use; it may need the options that this tree parses
 * @param end is told the exit code of a command that has not failed, but not simply done its work either
 */
export function buildProgram(cli: Cli, end: (exitCode: number) => void): Command {
  const program = new Command("sessiond")
    .description("A login-session service for backends.")
    .usage("[command] [options]")
    .version(cli.host.version, "--version", "print the version")
    .helpOption("-h, --help", "print help on a command")
    .helpCommand(false)
    .optionsGroup(GENERAL_OPTIONS)
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: (command) => command.name(),
      styleTitle: (title) => title.replace("Global Options:", GENERAL_OPTIONS),
      visibleGlobalOptions(command) {
        const options = Help.prototype.visibleGlobalOptions.call(this, command);
        return options.filter(({ long }) => long !== "--version");
      },
    });
  addGlobalOptions(program);

  program.commandsGroup("The service:");
  program
    .command("serve")
    .summary("run the service")
    .description("Runs the service until SIGTERM or SIGINT, as sessiond without a command does.")
    .action(() => cli.host.serve());
  program.addCommand(migrateCommand(cli, end));
  program.addCommand(configCommand(cli, end));
  program.addCommand(doctorCommand(cli, end));
  program.commandsGroup("Calls of a running service:");
  program.addCommand(sessionsCommand(cli, end));
  program.addCommand(auditCommand(cli));
  program.addCommand(keysCommand(cli));
  program.addCommand(rotateKeyCommand(cli));
  program.addCommand(sweepCommand(cli, end));
  program.commandsGroup("Keys, tokens, shells and help:");
  program.addCommand(rewrapKeysCommand(cli, end));
  program.addCommand(tokenCommand(cli, end));
  program.addCommand(completionCommand(cli, program));
  program.addCommand(helpCommand(program));
  program.addHelpText("after", AFTER_HELP);
  inheritSettings(program);
  return program;
}

/** Commands that are made before they are added have settings of their own otherwise. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command).helpCommand(false);
    inheritSettings(child);
  }
}

function addGlobalOptions(program: Command): void {
  const option = (flags: string, description: string) =>
    program.addOption(new Option(flags, description));
  option("--address <url>", "the service to call; by default that of this environment");
  option("--token-file <path>", "the file with the token of the command line");
  option("--ca <path>", "the file of the authorities that have signed its certificate");
  option("--cert <path>", "the file of a client certificate");
  option("--key <path>", "the file of its private key");
  option("--server-name <name>", "the name that the service's certificate must have");
  option("--timeout <duration>", "how long to wait for each answer, such as 10s");
  option("--as <actor>", "who the audit says has made a change");
  option("--json", "print JSON: an object, or one for each line of a list");
  option("--no-color", "print without colours");
  option("--quiet", "print neither progress nor notes");
}
