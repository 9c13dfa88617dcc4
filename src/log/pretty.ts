import { prettyFactory } from "pino-pretty";

/** All control characters, C1 included, which some terminals obey too. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f-\x9f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same without tab and line feed
const CONTROL_CHARACTERS_IN_STACK = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * Makes a function that turns a line of JSON into text for people. What comes from callers may contain
 * anything, so control characters are escaped: no text can move the cursor or forge a line.
 */
export function createPrettifier({ colors }: { colors: boolean }): (line: string) => string {
  const prettify = prettyFactory({
    colorize: colors,
    translateTime: "SYS:yyyy-mm-dd HH:MM:ss.l o",
    ignore: "pid,hostname",
    singleLine: true,
  });
  return (line) => prettify(JSON.parse(line, escapeText));
}

function escapeText(key: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  return value.replace(
    key === "stack" ? CONTROL_CHARACTERS_IN_STACK : CONTROL_CHARACTERS,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
