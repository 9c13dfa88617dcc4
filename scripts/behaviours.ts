/**
 * Writes the last column of the tables in test/BEHAVIOURS.md: the test files whose titles name each
 * behaviour. With `--check` it writes nothing and fails if the column is out of step. Both fail if
 * a title names an unknown id, or if a behaviour without a test is not marked as such.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const target = join(root, "test", "BEHAVIOURS.md");
const testFiles = ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"];
const NOT_YET_SHOWN = "not yet shown";

const titlePattern = /\b(?:it|describe)\(\s*(["'`])((?:\\.|(?!\1).)*)\1/gs;
/** A literal that begins with an id: part of a title that is put together from a table. */
const titlePartPattern = /(["'`])((?:[A-Z]\d\d|fault \d)\b(?:\\.|(?!\1).)*)\1/gs;
const rowPattern = /^\| ([A-Z]\d\d|fault \d) \| (.*) \| (.*) \|$/;

/** The ids that a text names: "A06", "A06, A07", "A01–A03", "fault 6", in the order of the text. */
export function idsIn(text: string): string[] {
  const found = text.matchAll(/\b([A-Z])(\d\d)(?:[–-]\1(\d\d))?\b|\b[Ff]ault (\d)\b/g);
  return [...found].flatMap(([, group, first, last = first, fault]) => {
    if (fault !== undefined) return [`fault ${fault}`];
    const count = Number(last) - Number(first) + 1;
    const numbers = Array.from({ length: count }, (_, index) => Number(first) + index);
    return numbers.map((number) => `${group}${String(number).padStart(2, "0")}`);
  });
}

/** The ids in the titles of a test file, each once. */
export function idsInTitles(source: string): string[] {
  const code = source.replace(/\/\*\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const titles = [...code.matchAll(titlePattern)].map(([, , title = ""]) => title);
  if (titles.some((title) => title.includes("${"))) {
    titles.push(...[...code.matchAll(titlePartPattern)].map(([, , part = ""]) => part));
  }
  return [...new Set(titles.flatMap(idsIn))];
}

export interface Rendered {
  /** The document with its last column in step. */
  readonly text: string;
  /** Problems that `npm run behaviours` cannot fix. */
  readonly problems: readonly string[];
}

/**
 * The document in step with the tests. `sources` are the test files by their path, as the document
 * is to link them. A fault is also shown by the tests of the behaviours that its row names.
 */
export function renderBehaviours(document: string, sources: ReadonlyMap<string, string>): Rendered {
  const filesById = new Map<string, string[]>();
  for (const [path, source] of sources) {
    for (const id of idsInTitles(source)) filesById.set(id, [...(filesById.get(id) ?? []), path]);
  }
  const known = new Set<string>();
  const problems: string[] = [];
  const lines = document.split("\n").map((line) => {
    const [, id, meaning = "", shownBy = ""] = rowPattern.exec(line) ?? [];
    if (id === undefined) return line;
    if (known.has(id)) problems.push(`${id} is in the document twice`);
    known.add(id);
    const related = id.startsWith("fault") ? idsIn(meaning) : [];
    const files = new Set([id, ...related].flatMap((name) => filesById.get(name) ?? []));
    if (files.size > 0) {
      const links = [...files]
        .sort()
        .map((path) => `[${path.replace(/\.test\.ts$/, "")}](${path})`);
      return `| ${id} | ${meaning} | ${links.join(", ")} |`;
    }
    if (shownBy !== NOT_YET_SHOWN) {
      problems.push(`no test names ${id}: add one, or mark it as "${NOT_YET_SHOWN}"`);
    }
    return line;
  });
  for (const [id, files] of filesById) {
    if (!known.has(id)) problems.push(`${id} is not in the document, but in ${files.join(", ")}`);
  }
  return { text: lines.join("\n"), problems };
}

function main(): void {
  // The tests of this script name ids that they do not show.
  const exclude = ["test/tooling/**"];
  const paths = globSync(testFiles, { cwd: root, exclude }).map((path) => join(root, path));
  const sources = new Map(
    paths
      .map((path) => [relative(join(target, ".."), path), readFileSync(path, "utf8")] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const found = readFileSync(target, "utf8");
  const { text, problems } = renderBehaviours(found, sources);
  for (const problem of problems) console.error(`test/BEHAVIOURS.md: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
  if (!process.argv.includes("--check")) {
    writeFileSync(target, text);
  } else if (found !== text) {
    console.error("test/BEHAVIOURS.md differs from the tests: run `npm run behaviours`");
    process.exitCode = 1;
  }
}

if (import.meta.main) main();
