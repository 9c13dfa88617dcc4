import type { Failure, Outcome } from "./play.ts";
import type { Sort } from "./scenario-file.ts";

/** What came of one client. */
export interface ClientResult {
  /** The language, or the client itself for those that are built in. */
  readonly language: string;
  readonly name: string;
  readonly sort: Sort;
  /** By the names of the scenarios, in their order. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

export interface Count {
  readonly passed: number;
  readonly failed: number;
}

export function count(results: readonly ClientResult[]): Count {
  const outcomes = results.flatMap((result) => [...result.outcomes.values()]);
  const number = (wanted: Outcome["result"]) =>
    outcomes.filter(({ result }) => result === wanted).length;
  return { passed: number("passed"), failed: number("failed") };
}

/** A line for the client, and its failures. */
export function describeClient(client: ClientResult): string {
  const { passed, failed } = count([client]);
  const verdict = failed === 0 ? "ok    " : "FAILED";
  const what = client.sort === "stubs" ? "stub" : "application";
  const title = `${verdict} ${client.language}: ${what} ${client.name}`;
  const failures = [...client.outcomes].flatMap(([scenario, outcome]) =>
    outcome.result === "failed" ? [describeFailure(scenario, outcome.failure)] : [],
  );
  return [`${title}: ${passed} passed, ${failed} failed`, ...failures].join("\n");
}

function describeFailure(scenario: string, failure: Failure): string {
  const lines = [
    `  ${scenario}, step ${failure.step} (${failure.action}):`,
    ...failure.differences.map((difference) => `    ${difference}`),
  ];
  if (failure.request !== undefined) lines.push(`    request:  ${shown(failure.request)}`);
  if (failure.response !== undefined) lines.push(`    response: ${shown(failure.response)}`);
  return lines.join("\n");
}

function shown(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2).replaceAll("\n", "\n      ");
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}
