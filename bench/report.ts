import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { authenticationTable } from "./authentication.ts";
import type { BurstSample } from "./bursts.ts";
import type { Row } from "./database.ts";
import { generatorNote, goalsTable, systemsTable, table, warmUpNote } from "./format.ts";
import type { GoalResult } from "./goals.ts";
import type { GrowthSample } from "./growth.ts";
import { type IdleResult, idleLines } from "./idle.ts";
import type { Machine } from "./machine.ts";
import { type MemoryResult, memoryLines } from "./memory.ts";
import { metricsTable } from "./metrics.ts";
import type { Options } from "./options.ts";
import { type ProfileResult, profileTables } from "./profile.ts";
import type { Sample, WarmUp } from "./sample.ts";
import { type SweepResult, sweepLines } from "./sweep.ts";
import { tokensTable } from "./tokens.ts";
import { tracingTable } from "./tracing.ts";
import { versionsTable } from "./versions.ts";
import { type WritesResult, writesLines } from "./writes.ts";

/** The result of a run. Parts that did not run are absent. */
export interface Result {
  readonly startedAt: string;
  readonly machine: Machine;
  readonly postgresql: Row;
  readonly options: Pick<Options, "quick" | "sessions" | "rounds" | "durationMs">;
  goals: readonly GoalResult[];
  systems?: readonly Sample[];
  warmUps?: readonly WarmUp[];
  growth?: readonly GrowthSample[];
  sweep?: SweepResult;
  memory?: readonly MemoryResult[];
  idle?: readonly IdleResult[];
  writes?: WritesResult;
  authentication?: readonly BurstSample[];
  metrics?: readonly BurstSample[];
  tokens?: readonly BurstSample[];
  versions?: readonly BurstSample[];
  tracing?: readonly BurstSample[];
  profile?: readonly ProfileResult[];
  complaints: readonly string[];
}

/** The text that is printed at the end of a run. */
export function describe(result: Result): string {
  const { systems, warmUps, growth, sweep, memory, idle, writes, authentication, metrics } = result;
  const { tokens, versions, tracing, profile, goals, complaints } = result;
  const sections: string[] = [];
  if (systems !== undefined) sections.push(systemsTable(systems), generatorNote(systems));
  if (warmUps !== undefined) sections.push(warmUpNote(warmUps));
  if (growth !== undefined) sections.push(growthTable(growth));
  if (sweep !== undefined) sections.push(...sweepLines(sweep));
  if (memory !== undefined) sections.push(...memoryLines(memory));
  if (idle !== undefined) sections.push(...idleLines(idle));
  if (writes !== undefined) sections.push(writesLines(writes).join("\n"));
  if (authentication !== undefined) sections.push(authenticationTable(authentication));
  if (metrics !== undefined) sections.push(metricsTable(metrics));
  if (tokens !== undefined) sections.push(tokensTable(tokens));
  if (versions !== undefined) sections.push(versionsTable(versions));
  if (tracing !== undefined) sections.push(tracingTable(tracing));
  if (profile !== undefined) sections.push(...profileTables(profile));
  if (goals.length > 0) sections.push(goalsTable(goals));
  if (complaints.length > 0) sections.push(`Wrong answers:\n${complaints.join("\n")}`);
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function growthTable(samples: readonly GrowthSample[]): string {
  return table(
    ["system", "sessions", "in flight", "round", "calls/s", "p50 ms", "p99 ms"],
    samples.map((sample) => [
      sample.system,
      String(sample.sessions),
      String(sample.inFlight),
      String(sample.round),
      String(Math.round(sample.perSecond)),
      ((sample.p50Us ?? Number.NaN) / 1000).toFixed(2),
      ((sample.p99Us ?? Number.NaN) / 1000).toFixed(2),
    ]),
  );
}

/** Writes the result with all samples. Returns the path of the file. */
export async function writeResult(
  result: Result,
  { out, name }: Pick<Options, "out" | "name">,
): Promise<string> {
  const time = result.startedAt.replaceAll(":", "").replace(/\.\d+/, "");
  const file = join(out, `${name ?? time}.json`);
  await writeText(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

export async function writeText(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
