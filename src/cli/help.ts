import { Command } from "commander";
import { wrongUse } from "./exit-codes.ts";

/** `sessiond help [command...]` */
export function helpCommand(program: Command): Command {
  return new Command("help")
    .summary("print help on a command")
    .description("Prints help on a command, as --help after it does.")
    .argument("[command...]", "the words of the command, such as sessions list")
    .action((words: readonly string[]) => {
      let command = program;
      for (const word of words) {
        const child = command.commands.find((one) => one.name() === word);
        if (child === undefined) {
          const path = pathOf(command);
          throw wrongUse(`${path} has no command '${word}' (see ${path} --help)`);
        }
        command = child;
      }
      command.help();
    });
}

/** The words of a command, `sessiond` included. */
export function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}
