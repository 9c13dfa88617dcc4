import { tenantAccess } from "../../src/session/tenant-access.ts";
import { Violations } from "../../src/session/violations.ts";
import { context } from "./session-fixtures.ts";

/** The result of a parser; throws the error of a request in which it finds something wrong. */
export function parsed<T>(
  parse: (violations: Violations) => T,
  access = tenantAccess(context, { required: false }),
): T {
  const violations = new Violations(access);
  const result = parse(violations);
  violations.throwIfAny();
  return result;
}
