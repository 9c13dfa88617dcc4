import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** Named regular expressions for whole strings, for `{"$is": name}`. */
export type NamedPatterns = Readonly<Record<string, string>>;

/** What a pattern's operator takes, and the differences that it finds. */
type Operator = (operand: JsonValue, actual: JsonValue | undefined, path: string) => string[];

export interface Matcher {
  /**
   * Compares a value with a pattern: objects must have what the pattern has and may have more, arrays
   * must have as many items, everything else must be equal. `$` begins the name of an operator:
   *
   * - `{"$is": "name"}`: a string that a named pattern describes
   * - `{"$matches": "expression"}`: a string that the regular expression describes from end to end
   * - `{"$between": [1, 9]}`: a number
   * - `{"$oneOf": [pattern, …]}`: one of the patterns matches
   * - `{"$only": {…}}`: an object that has nothing else
   * - `{"$absent": true}`: there is no such field
   * - `{"$any": true}`: whatever it is
   *
   * @returns a line for each difference, with the path of the field; none if the value matches
   */
  differences(pattern: JsonValue, actual: JsonValue | undefined, path?: string): string[];
}

const operatorNames = [
  "$is",
  "$matches",
  "$between",
  "$oneOf",
  "$only",
  "$absent",
  "$any",
] as const;

/** The names of all operators, for the check of the data file. */
export const OPERATORS: ReadonlySet<string> = new Set(operatorNames);

export function createMatcher(named: NamedPatterns): Matcher {
  const operators: Readonly<Record<(typeof operatorNames)[number], Operator>> = {
    $is(name, actual, path) {
      const source = named[String(name)];
      if (source === undefined) return [`${path}: there is no pattern ${String(name)}`];
      if (describes(source, actual)) return [];
      return [`${path}: expected ${String(name)} (/${source}/), got ${show(actual)}`];
    },
    $matches: (source, actual, path) =>
      describes(String(source), actual)
        ? []
        : [`${path}: expected /${String(source)}/, got ${show(actual)}`],
    $between(limits, actual, path) {
      const [min, max] = limits as [number, number];
      const inside = typeof actual === "number" && actual >= min && actual <= max;
      return inside ? [] : [`${path}: expected ${min} to ${max}, got ${show(actual)}`];
    },
    $oneOf(patterns, actual, path) {
      const found = (patterns as JsonValue[]).some(
        (it) => differences(it, actual, path).length < 1,
      );
      return found ? [] : [`${path}: expected one of ${show(patterns)}, got ${show(actual)}`];
    },
    $only(pattern, actual, path) {
      const expected = Object.keys(pattern as JsonObject);
      const more = Object.keys(isObject(actual) ? actual : {}).filter((k) => !expected.includes(k));
      const unexpected = more.map((key) => `${join(path, key)}: not expected`);
      return [...differences(pattern, actual, path), ...unexpected];
    },
    $absent: (_, actual, path) =>
      actual === undefined ? [] : [`${path}: not expected, got ${show(actual)}`],
    $any: () => [],
  };

  const operatorOf = (key: string) =>
    (operators as Readonly<Record<string, Operator | undefined>>)[key];

  function differences(pattern: JsonValue, actual: JsonValue | undefined, path = ""): string[] {
    if (Array.isArray(pattern)) {
      if (!Array.isArray(actual) || actual.length !== pattern.length)
        return [`${path}: expected ${pattern.length} items, got ${show(actual)}`];
      return pattern.flatMap((item, index) => differences(item, actual[index], join(path, index)));
    }
    if (isObject(pattern)) {
      const [[key = "", operand = null] = [], ...others] = Object.entries(pattern);
      const operator = others.length === 0 ? operatorOf(key) : undefined;
      if (operator !== undefined) return operator(operand, actual, path);
      if (!isObject(actual)) return [`${path}: expected ${show(pattern)}, got ${show(actual)}`];
      return Object.entries(pattern).flatMap(([key, item]) =>
        differences(item, actual[key], join(path, key)),
      );
    }
    return pattern === actual
      ? []
      : [`${path}: expected ${JSON.stringify(pattern)}, got ${show(actual)}`];
  }

  return { differences };
}

function describes(source: string, actual: JsonValue | undefined): boolean {
  return typeof actual === "string" && new RegExp(`^(?:${source})$`, "su").test(actual);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function join(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}

function show(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}… (${text.length} characters)` : text;
}
