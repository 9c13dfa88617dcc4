import type { DatabaseFacts } from "../../doctor-checks.ts";
import { type Finding, ok, problem, roughDuration, warning } from "./finding.ts";

const WARNING_MS = 1000;
const PROBLEM_MS = 60_000;

/** How far this machine's clock is from the database's, which decides about sessions. */
export function judgeClock({ server }: DatabaseFacts): readonly Finding[] {
  const { before, database, after } = server.clock;
  // The database has read its clock in between, at an unknown time.
  const offset = Math.max(before - database, database - after, 0);
  const fix = "synchronise this machine's clock, for example by chrony";
  if (offset <= WARNING_MS) return [ok("this machine's clock agrees with the database's")];
  const where = database > after ? "behind" : "ahead of";
  const text =
    `this machine's clock is ${roughDuration(offset)} ${where} the database's: sessions are not ` +
    "concerned, but JWTs and certificates of callers are, and the order of new sessions' ids";
  return [offset > PROBLEM_MS ? problem(text, fix) : warning(text, fix)];
}
