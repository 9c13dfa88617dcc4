/** Reads what a page of docs/clients/ tells its readers to do, in order. */

export type Step =
  /** Shell commands. In the background, they go on while the following steps are carried out. */
  | {
      readonly kind: "shell";
      readonly script: string;
      readonly background: boolean;
      readonly line: number;
    }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly content: string;
      readonly line: number;
    }
  | { readonly kind: "console"; readonly commands: readonly Command[]; readonly line: number };

/** A command and what the page shows as its output, without the last line break. */
export interface Command {
  readonly command: string;
  readonly expected: string;
}

/** What is wrong with a page, or with carrying it out. */
export class PageError extends Error {}

interface Block {
  readonly info: string;
  readonly text: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
}

/** The fenced code blocks. */
function blocksIn(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const [, indent, fence, info = ""] = /^(\s*)(`{3,})\s*([^`]*)$/.exec(lines[at] ?? "") ?? [];
    if (fence === undefined) continue;
    const line = at + 1;
    const content: string[] = [];
    do {
      at++;
      if (at >= lines.length) throw new PageError(`line ${line}: the code block has no end`);
      content.push(lines[at] ?? "");
    } while (!new RegExp(`^\\s*${fence}\`*\\s*$`).test(lines[at] ?? ""));
    content.pop();
    const block = { info: info.trim(), text: content.map((text) => `${text}\n`).join(""), line };
    if (indent !== "" && stepOf(block) !== undefined) {
      throw new PageError(`line ${line}: a code block that is executed must not be indented`);
    }
    blocks.push(block);
  }
  return blocks;
}

function stepOf({ info, text, line }: Block): Step | undefined {
  const [language = "", ...attributes] = info.split(/\s+/);
  const title = attributes.find((attribute) => attribute.startsWith("title="));
  if (title !== undefined) {
    const path = title.slice("title=".length).replace(/^"(.*)"$/, "$1");
    if (!/^[\w.-]+(\/[\w.-]+)*$/.test(path) || path.split("/").includes("..")) {
      throw new PageError(`line ${line}: ${path} is not a path in the project's directory`);
    }
    return { kind: "file", path, content: text, line };
  }
  if (language === "console") return { kind: "console", commands: commandsIn(text, line), line };
  if (language !== "sh") return undefined;
  const unknown = attributes.find((attribute) => attribute !== "background");
  if (unknown !== undefined)
    throw new PageError(`line ${line}: "${unknown}" has no meaning for sh`);
  return { kind: "shell", script: text, background: attributes.length > 0, line };
}

/** A command is a line that begins with "$ ", with the lines that its backslashes continue. */
function commandsIn(text: string, line: number): Command[] {
  const commands: { command: string; expected: string }[] = [];
  let continues = false;
  for (const shown of text.split("\n").slice(0, -1)) {
    const last = commands.at(-1);
    if (continues && last !== undefined) last.command += `\n${shown}`;
    else if (shown.startsWith("$ ")) commands.push({ command: shown.slice(2), expected: "" });
    else if (last === undefined) throw new PageError(`line ${line}: output without a command`);
    else last.expected += `${shown}\n`;
    continues = (continues || shown.startsWith("$ ")) && shown.endsWith("\\");
  }
  return commands.map(({ command, expected }) => ({ command, expected: expected.trimEnd() }));
}

/**
 * The steps of a page: shell commands (`sh`, `sh background`), files (any language with
 * `title=path`) and commands with their output (`console`). Other code blocks are only read.
 *
 * @throws {PageError} if a block cannot be carried out
 */
export function stepsIn(markdown: string): Step[] {
  return blocksIn(markdown).flatMap((block) => stepOf(block) ?? []);
}

/** Whether an output is as the page shows it, where `…` stands for anything. */
export function matchesShown(output: string, expected: string): boolean {
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = expected.split("…").map(literal).join("[\\s\\S]*?");
  const normalised = output.replaceAll("\r", "").replace(/[ \t]+$/gm, "");
  return new RegExp(`^${pattern}$`).test(normalised.trimEnd());
}

/** How many commands a script has: lines that neither are comments nor continue another line. */
export function countCommands(script: string): number {
  const joined = script.replace(/\\\n/g, " ").replace(/<<-?\s*['"]?(\w+)['"]?[\s\S]*?\n\1$/gm, "");
  return joined.split("\n").filter((line) => /^\s*[^#\s]/.test(line)).length;
}
