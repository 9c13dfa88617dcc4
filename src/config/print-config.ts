import { resolveConfig } from "./config.ts";
import type { Environment, FileReader, Source } from "./env-reader.ts";
import { type SettingName, settingNames, settingOf } from "./settings.ts";

/** A setting with the value in force. */
export interface EffectiveSetting {
  readonly name: SettingName;
  /** `(hidden)` for secrets, `(unset)` where there is no value. */
  readonly value: string;
  readonly source: Source;
}

/**
 * The settings in force, in the order of the table.
 *
 * @throws {ConfigError} with all problems
 */
export function describeConfig(env: Environment, readFile?: FileReader): EffectiveSetting[] {
  const { reader } = resolveConfig(env, readFile);
  return settingNames.map((name) => {
    const { parser, secret, default: text } = settingOf(name);
    const value: unknown = reader.get(name);
    const source = reader.source(name);
    // What is `off`, by default or set to it, has no value either.
    const isUnset = value === undefined && source === "default" && text === undefined;
    if (isUnset) return { name, value: "(unset)", source };
    return { name, value: secret ? "(hidden)" : parser.encode(value), source };
  });
}

/** The text that `--print-config` prints: one line for each setting with name, value, source. */
export function formatConfig(effective: readonly EffectiveSetting[]): string {
  const width = (key: "name" | "value") => Math.max(...effective.map((row) => row[key].length));
  const [nameWidth, valueWidth] = [width("name"), width("value")];
  return effective
    .map((row) => `${row.name.padEnd(nameWidth)}  ${row.value.padEnd(valueWidth)}  ${row.source}\n`)
    .join("");
}
