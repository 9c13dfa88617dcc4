import { Argument, type Command, Command as Constructor } from "commander";
import type { Cli } from "./cli.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** `sessiond completion bash|zsh|fish` */
export function completionCommand(cli: Cli, program: Command): Command {
  return new Constructor("completion")
    .summary("print a script that completes commands in a shell")
    .description(
      "Prints a script that completes commands and options in a shell: for bash in " +
        "~/.local/share/bash-completion/completions/sessiond, for zsh in a file _sessiond of a directory " +
        "in fpath, for fish in ~/.config/fish/completions/sessiond.fish.",
    )
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .action(async (shell: Shell) => {
      await cli.stdout.write(scripts[shell](nodesOf(program)));
    });
}

/** What can follow a command's words. */
interface Node {
  /** Such as `sessions list`; empty for sessiond itself. */
  readonly path: string;
  readonly words: readonly Word[];
  readonly options: readonly Word[];
}

interface Word {
  readonly name: string;
  readonly help: string;
  /** It is an option whose value follows, which is completed as a file name if it is a path. */
  readonly value?: "file" | "other" | undefined;
}

function nodesOf(program: Command): readonly Node[] {
  const globals = optionsOf(program);
  const visit = (command: Command, path: string): readonly Node[] => {
    if (path === "help") return helpNodes(program, path, globals);
    const commands = command.commands;
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    const node = {
      path,
      words: [
        ...commands.map((child) => ({ name: child.name(), help: child.summary() })),
        ...choices.map((name) => ({ name, help: "" })),
      ],
      options: command === program ? globals : [...optionsOf(command), ...globals],
    };
    return [node, ...commands.flatMap((child) => visit(child, `${path} ${child.name()}`.trim()))];
  };
  return visit(program, "");
}

/** After `help` come the words of a command. */
function helpNodes(command: Command, path: string, options: readonly Word[]): readonly Node[] {
  const children = command.commands.filter((child) => child.name() !== "help");
  const words = children.map((child) => ({ name: child.name(), help: child.summary() }));
  return [
    { path, words, options },
    ...children.flatMap((child) => helpNodes(child, `${path} ${child.name()}`, options)),
  ];
}

function optionsOf(command: Command): Word[] {
  const { options } = command;
  const help = { name: "--help", help: "print help" };
  const words = options.map(({ long, description, required, flags }): Word => {
    const value = required ? (/<.*path>/.test(flags) ? "file" : "other") : undefined;
    return { name: long ?? "", help: description, value };
  });
  return command.parent === null ? [...words, help] : words;
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const namesOf = (words: readonly Word[]) => words.map(({ name }) => name).join(" ");

function valueOptions(nodes: readonly Node[], kind: Word["value"]): string {
  const names = nodes.flatMap(({ options }) => options).filter(({ value }) => value === kind);
  return [...new Set(names.map(({ name }) => name))].join("|");
}

/** Finds the command among the words before the cursor, as bash and zsh have them in an array. */
function findCommand(nodes: readonly Node[], first: string, last: string, words: string): string {
  const paths = nodes.map(({ path }) => quote(path)).join("|");
  return `  local chosen='' i word
  for ((i = ${first}; i < ${last}; i++)); do
    word="\${${words}[i]}"
    case "$word" in
      ${valueOptions(nodes, "file")}|${valueOptions(nodes, "other")}) ((i++)); continue ;;
      -*) continue ;;
    esac
    case "\${chosen:+$chosen }$word" in
      ${paths}) chosen="\${chosen:+$chosen }$word" ;;
      *) break ;;
    esac
  done
`;
}

const scripts: Record<Shell, (nodes: readonly Node[]) => string> = {
  bash: (nodes) => `# bash completion of sessiond
_sessiond() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
${findCommand(nodes, "1", "COMP_CWORD", "COMP_WORDS")}  case "$previous" in
    ${valueOptions(nodes, "file")}) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${valueOptions(nodes, "other")}) return ;;
  esac
  local words='' options=''
  case "$chosen" in
${nodes.map(({ path, words, options }) => `    ${quote(path)}) words=${quote(namesOf(words))}; options=${quote(namesOf(options))} ;;\n`).join("")}  esac
  if [[ $current == -* ]]; then words=$options; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o filenames -F _sessiond sessiond
`,
  zsh: (nodes) => `#compdef sessiond
_sessiond() {
  local -a candidates
  local previous="\${words[CURRENT-1]}"
${findCommand(nodes, "2", "CURRENT", "words")}  case "$previous" in
    ${valueOptions(nodes, "file")}) _files; return ;;
    ${valueOptions(nodes, "other")}) return ;;
  esac
  case "$chosen" in
${nodes.map((node) => `    ${quote(node.path)}) if [[ $PREFIX == -* ]]; then candidates=(${described(node.options)}); else candidates=(${described(node.words)}); fi ;;\n`).join("")}  esac
  _describe sessiond candidates
}
if [ "$funcstack[1]" = _sessiond ]; then _sessiond "$@"; else compdef _sessiond sessiond; fi
`,
  fish: (nodes) => `# fish completion of sessiond
function __sessiond_path
  set -l chosen
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; and continue
    contains -- (string join ' ' -- $chosen $word) ${nodes.map(({ path }) => quote(path)).join(" ")}; and set -a chosen $word
  end
  string join ' ' -- $chosen
end
complete -c sessiond -f
${nodes.flatMap(fishLines).join("\n")}
`,
};

function described(words: readonly Word[]): string {
  return words.map(({ name, help }) => quote(`${name}:${help.replaceAll(":", "\\:")}`)).join(" ");
}

function fishLines({ path, words, options }: Node): string[] {
  const condition = `-n ${quote(`test "$(__sessiond_path)" = "${path}"`)}`;
  const line = (rest: string, { help }: Word) =>
    `complete -c sessiond ${condition} ${rest} -d ${quote(help)}`;
  return [
    ...words.map((word) => line(`-a ${quote(word.name)}`, word)),
    ...options.map((word) => {
      const value = word.value === "file" ? " -r -F" : word.value === "other" ? " -x" : "";
      return line(`-l ${quote(word.name.slice(2))}${value}`, word);
    }),
  ];
}
