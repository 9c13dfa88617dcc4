import {
  type Given,
  type SettingName,
  type SettingValue,
  settingNames,
  settingOf,
} from "./settings.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the file's text, or throws. */
export type FileReader = (path: string) => string;

/** Where a setting's value comes from. */
export type Source = "default" | "profile" | "environment" | "file";

/** What is set, as text, before anybody looked whether it is right. */
interface Text {
  readonly text: string;
  readonly source: Source;
  /** What a message says it is about, with the text unless that is to stay hidden. */
  readonly subject: string;
}

/** For messages: one line whatever the value holds, and not the whole of a pasted file. */
function quote(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}

/** Levenshtein distance: the fewest letters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...a].entries()) {
    const line = [row + 1];
    for (const [column, other] of [...b].entries()) {
      const replaced = (above[column] ?? 0) + (letter === other ? 0 : 1);
      line.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (line[column] ?? 0) + 1));
    }
    above = line;
  }
  return above.at(-1) ?? 0;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((candidate) => ({ candidate, far: distance(name, candidate) }));
  return ranked.sort((a, b) => a.far - b.far)[0]?.candidate;
}

/**
 * Kubernetes describes every service of a namespace in the environment of its pods. Those of a
 * service named `sessiond` or `sessiond-…` begin as the settings do, and one of them is named
 * SESSIOND_PORT.
 */
function isServiceLink(name: string, value: string): boolean {
  const protocol = /^(tcp|udp|sctp):\/\//.test(value);
  return (
    /_SERVICE_(HOST|PORT(_\w+)?)$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$/.test(name) ||
    (name.endsWith("_PORT") && protocol)
  );
}

/** Variables of the test and benchmark runners, which share the environment with the service. */
function isForRunners(name: string): boolean {
  return name.startsWith("SESSIOND_TEST_") || name.startsWith("SESSIOND_BENCH_");
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "unreadable";
}

/**
 * The settings as the environment has them. What is wrong is gathered in `problems`; in place of a
 * wrong value stands the default, so that the rest can be looked at, and checks that would blame
 * the default are left out.
 */
export class Reading {
  readonly problems: string[] = [];
  readonly #readFile: FileReader;
  readonly #values = new Map<SettingName, unknown>();
  readonly #sources = new Map<SettingName, Source>();
  readonly #doubtful = new Set<SettingName>();

  constructor(env: Environment, readFile: FileReader) {
    this.#readFile = readFile;
    const own = Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[0].startsWith("SESSIOND_") &&
        entry[1] !== undefined &&
        !isForRunners(entry[0]) &&
        !isServiceLink(entry[0], entry[1]),
    );
    const set = new Map(own);
    for (const name of settingNames) this.#read(name, set);
    this.#refuseUnknown(set.keys());
  }

  get<N extends SettingName>(name: N): Given<N> {
    return this.#values.get(name) as Given<N>;
  }

  source(name: SettingName): Source {
    return this.#sources.get(name) ?? "default";
  }

  /** Whether the environment has a say on it, right or wrong. */
  isGiven(name: SettingName): boolean {
    const source = this.source(name);
    return source === "environment" || source === "file";
  }

  /**
   * The value if it is given, else this default, which depends on other settings: where one of
   * those is doubtful, so is this.
   */
  getOr<N extends SettingName>(
    name: N,
    value: SettingValue<N>,
    dependsOn: readonly SettingName[] = [],
    source: Source = "default",
  ): SettingValue<N> {
    if (this.isGiven(name) && !this.#doubtful.has(name)) {
      return this.#values.get(name) as SettingValue<N>;
    }
    if (!this.isGiven(name)) this.#sources.set(name, source);
    if (dependsOn.some((other) => this.#doubtful.has(other))) this.#doubtful.add(name);
    this.#values.set(name, value);
    return value;
  }

  /** Reports the problem unless it holds, or unless one of the settings is wrong by itself. */
  check(names: readonly SettingName[], holds: () => boolean, problem: () => string): void {
    if (names.some((name) => this.#doubtful.has(name)) || holds()) return;
    this.problems.push(problem());
  }

  /** For messages: the variable, its value and, where it was not set, that this is so. */
  name(name: SettingName): string {
    const { kind } = settingOf(name);
    const origin = {
      default: ", the default",
      profile: ", from the profile",
      environment: "",
      file: "",
    };
    return `${name} (${kind.format(this.#values.get(name))}${origin[this.source(name)]})`;
  }

  #read(name: SettingName, set: ReadonlyMap<string, string>): void {
    const { kind, default: constant } = settingOf(name);
    if (constant !== undefined) {
      const parsed = kind.parse(constant);
      if ("problem" in parsed) throw new Error(`the default of ${name}: ${parsed.problem}`);
      this.#values.set(name, parsed.value);
    }
    try {
      const given = this.#text(name, set);
      if (given === undefined) return;
      this.#sources.set(name, given.source);
      const parsed = kind.parse(given.text);
      if ("problem" in parsed) throw new SettingProblem(`${given.subject}: ${parsed.problem}`);
      this.#values.set(name, parsed.value);
    } catch (error) {
      if (!(error instanceof SettingProblem)) throw error;
      this.#sources.set(name, "environment");
      this.#doubtful.add(name);
      this.problems.push(error.message);
    }
  }

  #text(name: SettingName, set: ReadonlyMap<string, string>): Text | undefined {
    const text = set.get(name);
    if (!settingOf(name).file) {
      if (text === undefined || text === "") return undefined;
      return { text, source: "environment", subject: `${name} is ${quote(text)}` };
    }
    const fileVariable = `${name}_FILE`;
    const path = set.get(fileVariable);
    if (text !== undefined && path !== undefined) {
      throw new SettingProblem(`${name} and ${fileVariable} are both set: set one of them`);
    }
    // An empty secret is rather one that got lost on the way here than a wish to do without: with
    // an empty database URL, sessiond would start on an empty database of its own.
    if (text === "" || path === "") {
      const variable = text === "" ? name : fileVariable;
      throw new SettingProblem(`${variable} is empty: give it its value, or do not set it`);
    }
    if (path !== undefined) return this.#textOfFile(name, fileVariable, path);
    if (text === undefined) return undefined;
    return { text, source: "environment", subject: `${name} (hidden)` };
  }

  #textOfFile(name: SettingName, variable: string, path: string): Text {
    let content: string;
    try {
      content = this.#readFile(path);
    } catch (error) {
      const shown = isLikelySecret(name, path)
        ? `holds what looks like the value itself, which belongs in ${name}: it`
        : `is ${quote(path)}, which cannot be read (${codeOf(error)}): it`;
      throw new SettingProblem(
        `${variable} ${shown} must name a file that sessiond's user may read`,
      );
    }
    const text = content.replace(/\r?\n$/, "");
    const file = `the file ${quote(path)} of ${variable}`;
    if (text === "")
      throw new SettingProblem(`${file} is empty: it must hold the value of ${name}`);
    return { text, source: "file", subject: `the content (hidden) of ${file}` };
  }

  #refuseUnknown(names: Iterable<string>): void {
    const files = settingNames.filter((name) => settingOf(name).file).map((name) => `${name}_FILE`);
    const known: readonly string[] = [...settingNames, ...files];
    for (const name of names) {
      if (known.includes(name)) continue;
      const plain = name.replace(/_FILE$/, "");
      // The value stays out of the message: this may be a secret under a mistyped name.
      const remedy = known.includes(plain)
        ? `only secrets and certificates can come from a file; set ${plain} itself`
        : `did you mean ${nearest(name, known)}?`;
      this.problems.push(`${name} (hidden) is not a setting: ${remedy}`);
    }
  }
}

class SettingProblem extends Error {}

/** Whether somebody put a secret where the path of its file belongs. */
function isLikelySecret(name: SettingName, path: string): boolean {
  return "value" in settingOf(name).kind.parse(path) || /:\/\/|-----|[\r\n]|=$/.test(path);
}
