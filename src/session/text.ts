import type { Violations } from "./violations.ts";

const CONTROL_CHARACTER = /\p{Cc}/u;
const CONTROL_CHARACTERS = /\p{Cc}/gu;
const REPLACEMENT_CHARACTER = "\ufffd";

const NOT_UNICODE = "must be valid Unicode";

/** Why PostgreSQL cannot store the text: it rejects NUL, and a lone surrogate has no UTF-8 form. */
export function storageProblem(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain NUL";
  return text.isWellFormed() ? undefined : NOT_UNICODE;
}

/** The text with U+FFFD in the place of each control character (U+0000 to U+001F, U+007F to U+009F). */
export function withoutControlCharacters(text: string): string {
  // Nearly no text has any, and to look for one costs half.
  return CONTROL_CHARACTER.test(text)
    ? text.replace(CONTROL_CHARACTERS, REPLACEMENT_CHARACTER)
    : text;
}

/** Text without control characters, of at most `maxBytes` bytes in UTF-8. */
export function identifier(
  field: string,
  text: string,
  maxBytes: number,
  violations: Violations,
): string {
  const problem = identifierProblem(text, maxBytes);
  if (problem !== undefined) violations.add(field, problem);
  return text;
}

/** The same, but not empty or blank. */
export function requiredIdentifier(
  field: string,
  text: string,
  maxBytes: number,
  violations: Violations,
): string {
  if (text.trim() !== "") return identifier(field, text, maxBytes, violations);
  violations.add(field, "is required and must not be blank");
  return text;
}

function identifierProblem(text: string, maxBytes: number): string | undefined {
  if (!text.isWellFormed()) return NOT_UNICODE;
  if (CONTROL_CHARACTER.test(text)) return "must not contain control characters";
  if (Buffer.byteLength(text) > maxBytes) return `must be at most ${maxBytes} bytes`;
  return undefined;
}
