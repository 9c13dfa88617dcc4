import type { Violations } from "./violations.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: this matches what is rejected
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

const NOT_UNICODE = "must be valid Unicode";

/** Why PostgreSQL cannot store the text: it rejects NUL, and a lone surrogate has no UTF-8 form. */
export function storageProblem(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain NUL";
  return text.isWellFormed() ? undefined : NOT_UNICODE;
}

/** Text that PostgreSQL can store. */
export function storableText(field: string, text: string, violations: Violations): string {
  const problem = storageProblem(text);
  if (problem !== undefined) violations.add(field, problem);
  return text;
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
