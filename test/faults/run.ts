/**
 * The fault suite: injects faults into a real PostgreSQL, its network and two replicas of sessiond
 * while clients make calls, and checks everything that they have seen. See docs/faults.md.
 */
import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { Violation } from "./history.ts";
import { lyingClients } from "./lying-clients.ts";
import { removedGuards } from "./removed-guards.ts";
import { broken, type Report, type Scale, type Scenario, Skipped } from "./scenario.ts";
import { failover } from "./scenarios/failover.ts";
import { fullDisk } from "./scenarios/full-disk.ts";
import { givenUpCalls } from "./scenarios/given-up-calls.ts";
import { wrongKeyEncryptionKey } from "./scenarios/key-encryption.ts";
import { keyRotations } from "./scenarios/key-rotations.ts";
import { killedDatabase } from "./scenarios/killed-database.ts";
import { lockedRows } from "./scenarios/locked-rows.ts";
import { lostMessages } from "./scenarios/lost-messages.ts";
import { pooledDatabase } from "./scenarios/pooled-database.ts";
import { revokeRaces, sweepRaces } from "./scenarios/races.ts";
import { killedReplica, rollingRestart } from "./scenarios/replicas.ts";
import { rotationRaces } from "./scenarios/rotation-races.ts";
import { sessionLimit } from "./scenarios/session-limit.ts";
import { stoppedDatabase, unreachableDatabase } from "./scenarios/silent-database.ts";
import { wrongClocks } from "./scenarios/wrong-clocks.ts";
import { FaultServer } from "./server.ts";
import { childProcesses } from "./world.ts";

const SCENARIOS: readonly Scenario[] = [
  lyingClients,
  removedGuards,
  killedDatabase,
  lostMessages,
  stoppedDatabase,
  unreachableDatabase,
  lockedRows,
  givenUpCalls,
  fullDisk,
  wrongClocks,
  keyRotations,
  revokeRaces,
  sweepRaces,
  rotationRaces,
  sessionLimit,
  rollingRestart,
  killedReplica,
  wrongKeyEncryptionKey,
  pooledDatabase,
  failover,
];

const USAGE = `Injects faults under load and checks what clients have seen.

Usage: npm run test:faults -- [options]

  --full           the numbers of docs/faults.md, which take a while; without it, those of CI
  --only NAME,...  these scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}
  --json FILE      also write the results, machine-readable
  --help           print this and exit

Exits with 1 if anything was violated.
`;

/** How many violations of a scenario are printed. */
const SHOWN = 10;

/** How long a scenario may take: many times what it takes on an idle machine. */
const QUICK_LIMIT_MS = 5 * 60_000;
const FULL_LIMIT_MS = 60 * 60_000;

interface Result {
  readonly name: string;
  readonly fault: string;
  readonly injected: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly violations: readonly Violation[];
  readonly slowestRestartMs: number | undefined;
  readonly slowestRecoveryMs: number | undefined;
  readonly figures: Readonly<Record<string, number | string>>;
  readonly seconds: number;
  /** Why it was not run. */
  readonly skipped: string | undefined;
  /** Whether it was given up, still running. */
  readonly hung: boolean;
}

async function runScenario(scenario: Scenario, server: FaultServer, scale: Scale): Promise<Result> {
  const startedAt = performance.now();
  const { name, fault } = scenario;
  const limitMs = scale.of(QUICK_LIMIT_MS, FULL_LIMIT_MS);
  const outcome = await withinLimit(name, limitMs, scenario.run(server, scale)).catch(firstError);
  const seconds = (performance.now() - startedAt) / 1000;
  const common = { name, fault, seconds };
  if (outcome instanceof Skipped) {
    return { ...common, ...NOTHING, skipped: outcome.message, hung: false };
  }
  const ran = { ...common, skipped: undefined, hung: outcome instanceof Hung };
  if (outcome instanceof Error) {
    const violations = [broken("scenario failed", outcome.stack ?? outcome.message)];
    return { ...ran, ...NOTHING, violations };
  }
  return { ...ran, ...countsOf(outcome) };
}

/** Rejects if the scenario has not ended in time. Nothing can stop it then: the run has to end. */
async function withinLimit<T>(name: string, limitMs: number, running: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Hung(`${name} has not ended within ${limitMs / 60_000} minutes`));
  }, limitMs);
  return Promise.race([running, promise]).finally(() => clearTimeout(timer));
}

class Hung extends Error {}

/** What made a scenario fail, and not what its undoing then ran into. */
function firstError(error: unknown): Error {
  if (error instanceof SuppressedError) return firstError(error.suppressed);
  return error instanceof Error ? error : new Error(String(error));
}

const NOTHING = {
  injected: 0,
  operations: 0,
  acknowledged: 0,
  unknown: 0,
  violations: [],
  slowestRestartMs: undefined,
  slowestRecoveryMs: undefined,
  figures: {},
};

function countsOf(report: Report) {
  const { injected, recorder, violations, slowestRestartMs, slowestRecoveryMs } = report;
  const { figures = {} } = report;
  return {
    injected,
    operations: recorder.operations.length,
    acknowledged: recorder.count("acknowledged"),
    unknown: recorder.count("unknown"),
    violations,
    slowestRestartMs,
    slowestRecoveryMs,
    figures,
  };
}

function describeViolations({ name, violations }: Result): string {
  const shown = violations.slice(0, SHOWN).map(({ rule, explanation, operations }) => {
    return [`${name}: ${rule}: ${explanation}`, ...operations].join("\n    ");
  });
  const more = violations.length - shown.length;
  if (more > 0) shown.push(`${name}: and ${more} more`);
  return shown.map((line) => `${line}\n`).join("");
}

const COLUMNS = [
  "fault",
  "injected",
  "operations",
  "unknown",
  "violations",
  "slowest restart of PostgreSQL",
  "slowest recovery",
  "time",
];

function secondsOf(ms: number | undefined): string {
  return ms === undefined ? "" : `${(ms / 1000).toFixed(1)} s`;
}

function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.fault,
    ...(result.skipped === undefined
      ? [
          result.injected,
          result.operations,
          result.unknown,
          result.violations.length,
          secondsOf(result.slowestRestartMs),
          secondsOf(result.slowestRecoveryMs),
          `${result.seconds.toFixed(0)} s`,
        ]
      : [`skipped: ${result.skipped}`, "", "", "", "", "", ""]
    ).map(String),
  ]);
  const lines = [COLUMNS, COLUMNS.map(() => "---"), ...rows];
  const figures = results.flatMap(({ fault, figures }) =>
    Object.entries(figures).map(([name, value]) => `${fault}: ${name}: ${value}\n`),
  );
  const text = lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  return `${text}\n${figures.join("")}`;
}

function parseOptions() {
  const { values } = parseArgs({
    options: {
      full: { type: "boolean", default: false },
      only: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const names = values.only?.split(",");
  const unknown = names?.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new TypeError(`there is no scenario ${unknown}`);
  const scenarios = SCENARIOS.filter(({ name }) => names?.includes(name) ?? true);
  return { ...values, scenarios };
}

async function main(): Promise<number> {
  const { full, json, help, scenarios } = parseOptions();
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const scale: Scale = { quick: !full, of: (quick, inFull) => (full ? inFull : quick) };
  await using server = await FaultServer.start();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => void abandon(server, INTERRUPTED));
  }
  const results: Result[] = [];
  for (const scenario of scenarios) {
    const result = await runScenario(scenario, server, scale);
    results.push(result);
    const { name, seconds, operations, violations } = result;
    const counts = `${operations} operations, ${violations.length} violations`;
    process.stderr.write(`${name}: ${counts} in ${seconds.toFixed(1)} s\n`);
    process.stderr.write(describeViolations(result));
    // After each scenario, so that a run that is ended has written what it knows.
    if (json !== undefined) await writeResults(json, full, results);
    if (result.hung) {
      process.stderr.write("the scenarios after it were not run\n");
      break;
    }
  }
  const totals = totalsOf(results);
  process.stdout.write(
    `\n${table(results)}\n${totals.injected} faults injected, ${totals.operations} operations ` +
      `recorded, ${totals.violations} violations, ${totals.seconds.toFixed(0)} s\n`,
  );
  // It would keep this process alive, and its servers.
  if (results.some(({ hung }) => hung)) await abandon(server, 1);
  return totals.violations === 0 ? 0 : 1;
}

/** The exit code that shells use for SIGINT. */
const INTERRUPTED = 130;

/** Ends the run in the middle of a scenario. */
async function abandon(server: FaultServer, exitCode: number): Promise<never> {
  for (const child of childProcesses) child.kill("SIGKILL");
  // A process that is stopped does not end.
  server.resume();
  await server[Symbol.asyncDispose]();
  process.exit(exitCode);
}

function totalsOf(results: readonly Result[]) {
  const sum = (of: (result: Result) => number) =>
    results.reduce((total, result) => total + of(result), 0);
  return {
    injected: sum(({ injected }) => injected),
    operations: sum(({ operations }) => operations),
    violations: sum(({ violations }) => violations.length),
    seconds: sum(({ seconds }) => seconds),
  };
}

async function writeResults(file: string, full: boolean, results: readonly Result[]) {
  const [{ model } = { model: "" }] = cpus();
  const machine = { cores: availableParallelism(), model, memoryBytes: totalmem() };
  const text = JSON.stringify({ full, machine, totals: totalsOf(results), results }, undefined, 2);
  await writeFile(file, `${text}\n`);
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error);
  return 1;
});
