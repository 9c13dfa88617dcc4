/** The table of all settings. The loader and the documentation both read it. */

import type { z } from "zod";
import { commandLine } from "./cli-settings.ts";
import { envoy } from "./envoy-settings.ts";
import { callers, database, keys, log } from "./process-settings.ts";
import { server } from "./server-settings.ts";
import { audit, cookies, rules, sweep, timeouts } from "./session-settings.ts";
import type { Setting } from "./setting.ts";
import { tokens } from "./token-settings.ts";

/** In the order of the documentation. */
export const groups = {
  server,
  callers,
  envoy,
  database,
  keys,
  tokens,
  timeouts,
  cookies,
  rules,
  audit,
  sweep,
  log,
  "command line": commandLine,
};

const settings = {
  ...server,
  ...callers,
  ...envoy,
  ...database,
  ...keys,
  ...tokens,
  ...log,
  ...timeouts,
  ...cookies,
  ...rules,
  ...audit,
  ...sweep,
  ...commandLine,
};

export type SettingName = keyof typeof settings;

/** The type of a setting's value, which may be unset where there is no default. */
export type Value<N extends SettingName> =
  | z.output<(typeof settings)[N]["parser"]>
  | ((typeof settings)[N] extends Setting<unknown, string> ? never : undefined);

export const settingNames = Object.keys(settings) as readonly SettingName[];

/** A row without its particular type, for code that treats all settings alike. */
export function settingOf(name: SettingName): Setting {
  return settings[name];
}
