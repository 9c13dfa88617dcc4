/**
 * Every setting, once. The loader reads this table, and so does the generator of
 * docs/configuration.md, so that the two cannot differ.
 */

import type { Kind } from "./parsers.ts";
import { processSettings } from "./process-settings.ts";
import { sessionSettings } from "./session-settings.ts";
import type { Setting } from "./setting.ts";

export const settings = { ...processSettings, ...sessionSettings };

export type SettingName = keyof typeof settings;

/** The type of a setting's value once it is set. */
export type SettingValue<N extends SettingName> =
  (typeof settings)[N]["kind"] extends Kind<infer T> ? T : never;

/** The type of a setting's value, which may be missing where there is no constant default. */
export type Given<N extends SettingName> = (typeof settings)[N] extends { readonly default: string }
  ? SettingValue<N>
  : SettingValue<N> | undefined;

export const settingNames = Object.keys(settings) as readonly SettingName[];

/** The same line without its particular type, for code that treats all settings alike. */
export function settingOf(name: SettingName): Setting<unknown> {
  return settings[name];
}
