import type { Kind } from "./parsers.ts";

export const settingGroups = {
  server: "Server",
  database: "Database",
  keys: "Keys",
  timeouts: "Timeouts",
  cookies: "Cookies",
  rules: "Rules",
  audit: "Audit",
  sweep: "Sweep",
  log: "Log",
} as const;

export type SettingGroup = keyof typeof settingGroups;

/** One line of the table of settings. */
export interface Setting<T> {
  readonly group: SettingGroup;
  readonly kind: Kind<T>;
  /** Written as in the environment. Without it the setting is unset until someone sets it. */
  readonly default?: string;
  /** The default in words, where it is not a constant. */
  readonly defaultInWords?: string;
  /** Never printed, whole or in part. */
  readonly secret?: true;
  /** The content of the file named by `<NAME>_FILE` will do as well. */
  readonly file?: true;
  readonly doc: string;
}
