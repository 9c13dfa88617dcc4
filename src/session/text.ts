import { invalidRequest } from "./errors.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: this matches what is rejected
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Text that PostgreSQL can store: it rejects NUL, and a lone surrogate has no UTF-8 form.
 *
 * @throws {SessionError} INVALID_REQUEST
 */
export function storableText(field: string, text: string): string {
  if (text.includes("\0")) throw invalidRequest(field, "must not contain NUL");
  if (!text.isWellFormed()) throw invalidRequest(field, "must be valid Unicode");
  return text;
}

/**
 * Text without control characters, of at most `maxBytes` bytes in UTF-8.
 *
 * @throws {SessionError} INVALID_REQUEST
 */
export function identifier(field: string, text: string, maxBytes: number): string {
  if (!text.isWellFormed()) throw invalidRequest(field, "must be valid Unicode");
  if (CONTROL_CHARACTER.test(text)) {
    throw invalidRequest(field, "must not contain control characters");
  }
  if (Buffer.byteLength(text) > maxBytes) {
    throw invalidRequest(field, `must be at most ${maxBytes} bytes`);
  }
  return text;
}

/** The same, but not empty or blank. */
export function requiredIdentifier(field: string, text: string, maxBytes: number): string {
  if (text.trim() === "") throw invalidRequest(field, "is required and must not be blank");
  return identifier(field, text, maxBytes);
}
