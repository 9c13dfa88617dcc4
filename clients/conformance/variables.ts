import type { JsonValue } from "@bufbuild/protobuf";

/** What `${name}` in the data file stands for. */
export type Variables = ReadonlyMap<string, JsonValue>;

const REFERENCE = /\$\{([\w.-]+)\}/g;

/** The names of the variables that a value refers to. */
export function referencesOf(value: JsonValue | undefined): readonly string[] {
  return [...JSON.stringify(value ?? null).matchAll(REFERENCE)].map(([, name]) => name as string);
}

/**
 * Replaces `${name}` in all strings of a value, keys included. A string that is nothing but one
 * reference becomes the variable's value, whatever its type. Names that are not known stay.
 */
export function substitute<T extends JsonValue>(value: T, variables: Variables): T {
  return mapStrings(value, (text) => {
    const whole = /^\$\{([\w.-]+)\}$/.exec(text)?.[1];
    if (whole !== undefined && variables.has(whole)) return variables.get(whole) as JsonValue;
    return text.replace(REFERENCE, (reference, name) => String(variables.get(name) ?? reference));
  }) as T;
}

function mapStrings(value: JsonValue, map: (text: string) => JsonValue): JsonValue {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    // The source of a regular expression: what a variable brings in is meant literally.
    String(map(key)),
    key === "$matches" ? escapedReferences(item, map) : mapStrings(item, map),
  ]);
  return Object.fromEntries(entries);
}

function escapedReferences(source: JsonValue, map: (text: string) => JsonValue): JsonValue {
  return String(source).replace(REFERENCE, (reference) => {
    const value = map(reference);
    return value === reference ? reference : literally(String(value));
  });
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
