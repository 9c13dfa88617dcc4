import {
  type Given,
  type SettingName,
  type SettingValue,
  settingNames,
  settingOf,
} from "./settings.ts";
import { findUnknown, isOwnVariable } from "./unknown-variables.ts";

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
    const set = new Map(Object.entries(env).filter(isOwnVariable));
    for (const name of settingNames) this.#read(name, set);
    this.problems.push(...findUnknown([...set.keys()]));
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
}

class SettingProblem extends Error {}

/** Whether somebody put a secret where the path of its file belongs. */
function isLikelySecret(name: SettingName, path: string): boolean {
  return "value" in settingOf(name).kind.parse(path) || /:\/\/|-----|[\r\n]|=$/.test(path);
}
