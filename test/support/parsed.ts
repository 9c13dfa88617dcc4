import { Violations } from "../../src/session/violations.ts";

/** The result of a parser; throws the error of a request in which it finds something wrong. */
export function parsed<T>(parse: (violations: Violations) => T): T {
  const violations = new Violations();
  const result = parse(violations);
  violations.throwIfAny();
  return result;
}
