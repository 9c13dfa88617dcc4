import type { Parser } from "./parsers.ts";

/** One row of the table of settings. `D` is `undefined` where there is no default. */
export interface Setting<P = Parser, D = string | undefined> {
  readonly parser: P;
  /** The default, as written in the environment. */
  readonly default?: D;
  /** In words, a default that depends on other things. */
  readonly derived?: D;
  /** In words, what happens without a value, for settings that have no default. */
  readonly unset?: string;
  /** Never printed, in whole or in part. */
  readonly secret?: true;
  /** Set but empty is an error: without the value, sessiond would be less safe than somebody meant. */
  readonly refusesEmpty?: true;
  /** `<NAME>_FILE` may name a file that holds the value. */
  readonly file?: true;
  /** For the documentation. */
  readonly doc: string;
}

export type SettingGroup = Readonly<Record<`SESSIOND_${string}`, Setting>>;

export function setting<P extends Parser, D extends string | undefined = undefined>(
  parser: P,
  row: Omit<Setting<P, D>, "parser">,
): Setting<P, D> {
  return { parser, ...row };
}
