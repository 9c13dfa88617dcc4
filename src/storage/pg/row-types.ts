import pg from "pg";
import type { Instant } from "../../session/clock.ts";

type Parser = (text: string) => unknown;

const { TIMESTAMPTZ, JSONB } = pg.types.builtins;
const ZERO = 48;

const parsers: Readonly<Record<number, Parser>> = {
  [TIMESTAMPTZ]: parseInstant,
  [JSONB]: parseJson,
};

/**
 * Parsers for the values of rows. The driver's own parsers take 3.1 µs for the row of a session, half
 * of it for the regular expressions that parse its four timestamps. These parsers take 1.0 µs.
 */
export const rowTypes = {
  getTypeParser: (oid: number, format?: "text" | "binary"): Parser =>
    (format === "binary" ? undefined : parsers[oid]) ??
    (pg.types.getTypeParser(oid, format as "text") as Parser),
};

/**
 * Parses a timestamptz to milliseconds since the Unix epoch; smaller fractions are cut off. It parses
 * PostgreSQL's usual form, such as `2026-01-31 12:34:56.789+00`, and leaves others to the driver.
 */
export function parseInstant(text: string): Instant {
  const sign = text.length - 3;
  const usual =
    sign >= 19 &&
    text[4] === "-" &&
    (sign === 19 || text[19] === ".") &&
    (text[sign] === "+" || text[sign] === "-");
  const year = usual ? 100 * twoDigits(text, 0) + twoDigits(text, 2) : 0;
  // Date.UTC adds 1900 to years below 100.
  if (year < 100) return instantByDriver(text);

  let milliseconds = 0;
  for (let place = 100, index = 20; place >= 1 && index < sign; place /= 10, index += 1) {
    milliseconds += place * (text.charCodeAt(index) - ZERO);
  }
  const offset = twoDigits(text, sign + 1) * 3_600_000;
  const local = Date.UTC(
    year,
    twoDigits(text, 5) - 1,
    twoDigits(text, 8),
    twoDigits(text, 11),
    twoDigits(text, 14),
    twoDigits(text, 17),
    milliseconds,
  );
  return text[sign] === "+" ? local - offset : local + offset;
}

function twoDigits(text: string, index: number): number {
  return 10 * (text.charCodeAt(index) - ZERO) + (text.charCodeAt(index + 1) - ZERO);
}

function instantByDriver(text: string): Instant {
  // For an infinite timestamp, the driver returns a number.
  return Number(pg.types.getTypeParser(TIMESTAMPTZ)(text));
}

/** With shortcuts, since most sessions have no metadata and many no authentication methods. */
export function parseJson(text: string): unknown {
  if (text === "{}") return {};
  return text === "[]" ? [] : JSON.parse(text);
}
