/**
 * Arrays as parameters, in PostgreSQL's text form: `{"a","b",NULL}`.
 *
 * Both that and JSON quote strings, and escape quotes and backslashes with a backslash. So JSON.stringify
 * can write it in a third of the driver's time, who asks each element for its type, and escapes it with two
 * replacements. The other escapes of JSON, such as `\n`, mean something else to PostgreSQL.
 */

/** Also in an escaped backslash before another character, which is not one; then it is only slower. */
const OTHER_ESCAPE = /\\[^"\\]/;

/**
 * An array of strings, numbers, booleans or dates, without arrays in it. The driver encodes those of which
 * JSON would have other escapes, and those of other types.
 *
 * @param values of the same type, or null
 */
export function arrayLiteral(values: readonly unknown[]): string | readonly unknown[] {
  if (Buffer.isBuffer(values[0])) return byteaLiteral(values as readonly Buffer[]);
  const json = JSON.stringify(values);
  return OTHER_ESCAPE.test(json) ? values : `{${json.slice(1, -1)}}`;
}

/** A backslash in quotes is escaped. */
function byteaLiteral(values: readonly Buffer[]): string {
  return `{${values.map((bytes) => `"\\\\x${bytes.toString("hex")}"`).join(",")}}`;
}
