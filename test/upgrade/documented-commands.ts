import { type Command, CommanderError } from "commander";
import { programForHelp } from "../cli/help-pages.ts";

/** A call of the command line on a page. */
export interface DocumentedCommand {
  readonly args: readonly string[];
  /** It is in a text, and may leave out what the command requires. */
  readonly isMention: boolean;
}

/** How pages call sessiond: here, installed somewhere, or in a container. What follows are its arguments. */
const CALLS = [
  /^(?:sudo )?(?:env )?(?:[A-Z_]+=\S+ )*(?:npx |\S*\/)?sessiond(?= |$)/,
  / node dist\/main\.js(?= |$)/,
  /^docker run .* sessiond:[\d.]+(?= |$)/,
  /^docker compose run .* sessiond(?= |$)/,
];

/** The commands in the texts and code blocks of a Markdown page. */
export function documentedCommands(page: string): readonly DocumentedCommand[] {
  const blocks = [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)];
  const lines = blocks
    .filter(([, language = ""]) => /^(|text|(sh|bash)( .*)?)$/.test(language))
    .flatMap(([, , code = ""]) => code.replaceAll(/\\\n\s*/g, "").split("\n"));
  const text = blocks.reduce((rest, [block]) => rest.replace(block, ""), page);
  const mentions = [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) =>
    code.replaceAll(/\s+/g, " "),
  );
  return [
    ...lines.flatMap((line) => argumentsOf(line, false)),
    ...mentions.flatMap((code) => argumentsOf(code, true)),
  ];
}

function argumentsOf(line: string, isMention: boolean): readonly DocumentedCommand[] {
  for (const call of CALLS) {
    const match = call.exec(line);
    if (match === null) continue;
    // What the shell takes for itself ends the command.
    const [rest = ""] = line.slice(match.index + match[0].length).split(/ (?:>|[|&;#])/);
    const args = rest
      .split(" ")
      .filter((arg) => arg !== "" && arg !== "…")
      .map((arg) => arg.replaceAll(/^["']|["']$/g, ""));
    return args.length === 0 ? [] : [{ args, isMention }];
  }
  return [];
}

/** The options of all commands, without those that every command has. */
export function commandOptions(): ReadonlySet<string> {
  const optionsOf = ({ options, commands }: Command): string[] => [
    ...options.flatMap(({ long }) => long ?? []),
    ...commands.flatMap(optionsOf),
  ];
  return new Set(programForHelp().commands.flatMap(optionsOf));
}

/**
 * What the command line says against these arguments. Runs nothing.
 *
 * @returns undefined if there is such a command with such options, and their values are as they must be
 */
export async function mistakeIn({
  args,
  isMention,
}: DocumentedCommand): Promise<string | undefined> {
  const program = programForHelp();
  const prepare = (command: Command): void => {
    command.exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
    if (command.commands.length === 0) command.action(() => {});
    if (isMention) {
      for (const option of command.options) option.mandatory = false;
      for (const argument of command.registeredArguments) argument.required = false;
    }
    command.commands.forEach(prepare);
  };
  prepare(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? undefined : error.message;
  }
}
