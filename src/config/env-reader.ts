import { parse } from "./parsers.ts";
import { type SettingName, settingNames, settingOf, type Value } from "./settings.ts";
import { findUnknown, isOwnVariable } from "./unknown-variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the text of a file, or throws. */
export type FileReader = (path: string) => string;

/** Where the value of a setting comes from. */
export type Source = "default" | "profile" | "environment" | "file";

/** A file that holds the value of a setting. */
export interface SettingFile {
  readonly path: string;
  /** As it was read. */
  readonly content: string;
}

/** The text of a setting, before it is parsed. */
interface RawValue {
  readonly text: string;
  readonly source: Source;
  /** The start of an error message: names the variable, and shows the text unless it is secret. */
  readonly subject: string;
  readonly file?: SettingFile;
}

interface Resolved {
  readonly value: unknown;
  readonly source: Source;
  readonly file?: SettingFile | undefined;
  /** The setting, or one that this default is derived from, is set to something invalid. */
  readonly invalid: boolean;
}

class SettingError extends Error {}

/** A URL with a user or a password is never shown, even where the setting is not secret. */
function show(value: string): string {
  return /:.*@/s.test(value) ? "(hidden)" : `is ${quote(value)}`;
}

/** One line of limited length, even if the value is a pasted file. */
function quote(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}

/**
 * Reads all settings from the environment. Problems are collected, not thrown. An invalid setting
 * gets its default, so that the others can be checked; checks that involve it are skipped.
 */
export class EnvReader {
  readonly problems: string[] = [];
  readonly #variables: ReadonlyMap<string, string>;
  readonly #readFile: FileReader;
  readonly #resolved: Map<SettingName, Resolved>;

  constructor(env: Environment, readFile: FileReader) {
    this.#variables = new Map(Object.entries(env).filter(isOwnVariable));
    this.#readFile = readFile;
    this.#resolved = new Map(settingNames.map((name) => [name, this.#read(name)]));
    this.problems.push(...findUnknown([...this.#variables.keys()]));
  }

  /** The value in force. A derived default is there only after `resolve`. */
  get<N extends SettingName>(name: N): Value<N> {
    return this.#of(name).value as Value<N>;
  }

  source(name: SettingName): Source {
    return this.#of(name).source;
  }

  /** The file that the value comes from, if it does. */
  file(name: SettingName): SettingFile | undefined {
    return this.#of(name).file;
  }

  /** Whether the environment sets it, to a valid value or not. */
  isSet(name: SettingName): boolean {
    return this.source(name) === "environment" || this.source(name) === "file";
  }

  /**
   * Gives a setting its default, unless it is set to a valid value.
   *
   * @param derivedFrom the settings that the default depends on; if one is invalid, so is this
   * @param source where the default comes from
   */
  resolve<N extends SettingName>(
    name: N,
    derivedFrom: readonly SettingName[],
    value: Value<N>,
    source: Source = "default",
  ): void {
    const current = this.#of(name);
    if (this.isSet(name) && !current.invalid) return;
    this.#resolved.set(name, {
      value,
      source: this.isSet(name) ? current.source : source,
      invalid: current.invalid || derivedFrom.some((other) => this.#of(other).invalid),
    });
  }

  /** Adds the problem if `holds` is false, unless one of the settings is invalid by itself. */
  check(names: readonly SettingName[], holds: boolean, problem: string): void {
    if (!holds && !names.some((name) => this.#of(name).invalid)) this.problems.push(problem);
  }

  /** For messages: the variable, its value and, unless it was set, where that comes from. */
  describe(name: SettingName): string {
    const value = settingOf(name).parser.encode(this.get(name));
    const origin = this.source(name) === "profile" ? "from the profile" : "the default";
    return `${name} (${this.isSet(name) ? value : `${value}, ${origin}`})`;
  }

  #of(name: SettingName): Resolved {
    return this.#resolved.get(name) ?? { value: undefined, source: "default", invalid: false };
  }

  #read(name: SettingName): Resolved {
    const { parser, default: text } = settingOf(name);
    const fallback = text === undefined ? undefined : parser.parse(text);
    try {
      const raw = this.#rawValue(name);
      if (raw === undefined) return { value: fallback, source: "default", invalid: false };
      const { success, data, error } = parse(parser, raw.text);
      if (success) return { value: data, source: raw.source, file: raw.file, invalid: false };
      throw new SettingError(`${raw.subject}: ${error.issues[0]?.message}`);
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      this.problems.push(error.message);
      return { value: fallback, source: "environment", invalid: true };
    }
  }

  #rawValue(name: SettingName): RawValue | undefined {
    const text = this.#variables.get(name);
    if (!settingOf(name).file) {
      if (text === "" && settingOf(name).refusesEmpty) {
        throw new SettingError(`${name} is empty: give it its value, or do not set it`);
      }
      if (text === undefined || text === "") return undefined;
      return { text, source: "environment", subject: `${name} ${show(text)}` };
    }
    const fileVariable = `${name}_FILE`;
    const path = this.#variables.get(fileVariable);
    if (text !== undefined && path !== undefined) {
      throw new SettingError(`${name} and ${fileVariable} are both set: set one of them`);
    }
    // An empty secret was most likely lost on its way here. With an empty database URL, sessiond
    // would start on a new, empty database.
    if (text === "" || path === "") {
      const variable = text === "" ? name : fileVariable;
      throw new SettingError(`${variable} is empty: give it its value, or do not set it`);
    }
    if (path !== undefined) return this.#fileContent(name, fileVariable, path);
    if (text === undefined) return undefined;
    return { text, source: "environment", subject: `${name} (hidden)` };
  }

  #fileContent(name: SettingName, variable: string, path: string): RawValue {
    let content: string;
    try {
      content = this.#readFile(path);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
      const shown = isLikelySecret(name, path)
        ? `holds what looks like the value itself, which belongs in ${name}: it`
        : `is ${quote(path)}, which cannot be read (${code}): it`;
      throw new SettingError(`${variable} ${shown} must name a file that sessiond's user may read`);
    }
    const text = content.replace(/\r?\n$/, "");
    const file = `the file ${quote(path)} of ${variable}`;
    if (text === "") throw new SettingError(`${file} is empty: it must hold the value of ${name}`);
    const subject = `the content (hidden) of ${file}`;
    return { text, source: "file", subject, file: { path, content } };
  }
}

/** Whether a variable that must hold the path of a file seems to hold the secret itself. */
function isLikelySecret(name: SettingName, path: string): boolean {
  const { parser } = settingOf(name);
  // A parser that takes any text takes paths, too.
  const isAnyText = parse(parser, "/").success;
  if (!isAnyText && parse(parser, path).success) return true;
  return /^sessiond_|^eyJ[\w-]*\.|:\/\/|-----|[\r\n]|=$/.test(path);
}
