/** Reads Dockerfiles: as much of the syntax as this project's has, and an error for the rest. */

import { posix } from "node:path";

export interface Instruction {
  readonly line: number;
  /** The whole of it, on one line. */
  readonly source: string;
  /** In capitals. */
  readonly keyword: string;
  /** Such as `--from=build`. */
  readonly flags: ReadonlyMap<string, string>;
  /** What follows the flags. */
  readonly text: string;
}

export interface Stage {
  readonly image: string;
  /** As `AS` says, else its number. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

export class DockerfileError extends Error {
  override readonly name = "DockerfileError";

  constructor(line: number, problem: string) {
    super(`Dockerfile, line ${line}: ${problem}`);
  }
}

export function parseDockerfile(source: string): readonly Stage[] {
  // Those before the first FROM are known to FROM lines only.
  const args = new Map<string, string>();
  const stages: { image: string; name: string; instructions: Instruction[] }[] = [];
  for (const { line, text } of logicalLines(source)) {
    const instruction = parseInstruction(line, text);
    const stage = stages.at(-1);
    if (instruction.keyword === "FROM") {
      const named = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(substitute(instruction.text, args, line));
      if (named === null || instruction.flags.size > 0) {
        throw new DockerfileError(line, `cannot play: ${text}`);
      }
      const [, image = "", name = String(stages.length)] = named;
      stages.push({ image, name, instructions: [] });
    } else if (stage !== undefined) {
      stage.instructions.push(instruction);
    } else if (instruction.keyword === "ARG") {
      const [, name = "", value] = /^(\w+)=(.*)$/.exec(instruction.text) ?? [];
      if (value === undefined) throw new DockerfileError(line, "ARG needs a default to be played");
      args.set(name, value);
    } else {
      throw new DockerfileError(line, `${instruction.keyword} before the first FROM`);
    }
  }
  return stages;
}

/** Without comments and empty lines, and with continued lines joined. */
function* logicalLines(source: string): Generator<{ line: number; text: string }> {
  let text = "";
  let start = 0;
  for (const [index, raw] of source.split("\n").entries()) {
    // A comment may also stand between continued lines.
    if (/^\s*(#|$)/.test(raw)) continue;
    if (text === "") start = index + 1;
    const continued = /\\\s*$/.test(raw);
    text += continued ? raw.replace(/\\\s*$/, " ") : raw;
    if (continued) continue;
    yield { line: start, text: text.trim() };
    text = "";
  }
  if (text !== "") throw new DockerfileError(start, "the last line is continued by nothing");
}

function parseInstruction(line: number, source: string): Instruction {
  const [, keyword = "", rest = ""] = /^([A-Za-z]+)\s+(.*)$/.exec(source) ?? [];
  if (keyword === "") throw new DockerfileError(line, `no instruction: ${source}`);
  if (rest.includes("<<")) throw new DockerfileError(line, "here-documents are not played");
  const flags = new Map<string, string>();
  let text = rest;
  for (;;) {
    const [whole, name = "", value = ""] = /^--([a-z-]+)(?:=(\S+))?\s+/.exec(text) ?? [];
    if (whole === undefined) break;
    flags.set(name, value);
    text = text.slice(whole.length);
  }
  return { line, source, keyword: keyword.toUpperCase(), flags, text };
}

function substitute(text: string, args: ReadonlyMap<string, string>, line: number): string {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
    const value = args.get(braced ?? bare ?? "");
    if (value === undefined) throw new DockerfileError(line, `${braced ?? bare} has no value`);
    return value;
  });
}

/** The words of `["a", "b"]`, or what a shell would be given. */
export function commandOf({ line, text }: Instruction, command = text): readonly string[] {
  if (!command.startsWith("[")) return ["/bin/sh", "-c", command];
  let words: unknown;
  try {
    words = JSON.parse(command);
  } catch {
    throw new DockerfileError(line, `not JSON: ${command}`);
  }
  if (!Array.isArray(words) || words.some((word) => typeof word !== "string")) {
    throw new DockerfileError(line, `not a list of strings: ${command}`);
  }
  return words;
}

/** `A=1 B="2 3"`. */
export function environmentOf({ line, text }: Instruction): Record<string, string> {
  const variables: Record<string, string> = {};
  const rest = text.replace(/(\w+)=(?:"([^"\\$]*)"|([^\s"'\\$]*))(?:\s+|$)/g, (_, ...groups) => {
    const [name, quoted, plain] = groups as [string, string | undefined, string | undefined];
    variables[name] = quoted ?? plain ?? "";
    return "";
  });
  if (rest !== "") throw new DockerfileError(line, `ENV that is not played: ${rest}`);
  return variables;
}

/** Whether a path of the build context is left out of it, by the lines of a .dockerignore. */
export function ignores(patterns: readonly string[], path: string): boolean {
  let ignored = false;
  for (const line of patterns) {
    const pattern = line
      .trim()
      .replace(/^!?\/?/, "")
      .replace(/\/$/, "");
    if (pattern === "" || line.startsWith("#")) continue;
    // A pattern that matches a directory also goes for all that is in it.
    const segments = path.split("/");
    const hit = segments.some((_, end) =>
      posix.matchesGlob(segments.slice(0, end + 1).join("/"), pattern),
    );
    if (hit) ignored = !line.trim().startsWith("!");
  }
  return ignored;
}
