/** Compares sessiond with its limits and alternatives: `npm run bench -- --help`. */
import { evaluateAuthentication, measureAuthentication } from "./authentication.ts";
import { drawChart } from "./chart.ts";
import { type Context, withContext } from "./context.ts";
import { describeServer } from "./database.ts";
import { createFixture, type Fixture } from "./fixture.ts";
import { compareSystems, type GoalResult } from "./goals.ts";
import { evaluateGrowth, measureGrowth } from "./growth.ts";
import { evaluateIdle, measureIdle } from "./idle.ts";
import { describeMachine } from "./machine.ts";
import { evaluateMemory, measureMemory } from "./memory.ts";
import { evaluateMetrics, measureMetrics } from "./metrics.ts";
import { OptionError, type Options, PARTS, type Part, parseOptions, USAGE } from "./options.ts";
import { measureProfiles } from "./profile.ts";
import { describe, type Result, writeResult, writeText } from "./report.ts";
import { chosenSystems, measureSystems } from "./rounds.ts";
import { evaluateSweep, measureSweep } from "./sweep.ts";
import { measureTokens } from "./tokens.ts";
import { measureTracing } from "./tracing.ts";
import { evaluateVersions, measureVersions } from "./versions.ts";
import { measureWrites } from "./writes.ts";

async function run(context: Context): Promise<void> {
  const { options, server, progress, complaints } = context;
  const { quick, sessions, rounds, durationMs, parts } = options;
  const result: Result = {
    startedAt: new Date().toISOString(),
    machine: describeMachine(),
    postgresql: await describeServer(server),
    options: { quick, sessions, rounds, durationMs },
    goals: [],
    complaints,
  };
  const others = [...parts].some((part) => part !== "growth");
  const wanted = others || options.growth.includes(sessions);
  const fixture = wanted ? await createFixture(context, sessions) : undefined;
  for (const part of PARTS) {
    if (!parts.has(part)) continue;
    const goals = await MEASUREMENTS[part](context, result, fixture as Fixture);
    result.goals = [...result.goals, ...goals];
    // So that a failure of a later part does not lose it.
    await writeResult(result, options);
  }
  const file = await writeResult(result, options);
  process.stdout.write(`${describe(result)}\n`);
  progress.note(`written to ${file}`);
  if (options.chart !== undefined && result.systems !== undefined) {
    await writeText(options.chart, drawChart(result.systems));
    progress.note(`drawn in ${options.chart}`);
  }
  if (complaints.length > 0) process.exitCode = 1;
}

/**
 * Measures a part, adds it to the result, and returns the goals that it shows. Only growth may have no
 * fixture: it makes its own.
 */
type Measurement = (context: Context, result: Result, fixture: Fixture) => Promise<GoalResult[]>;

const MEASUREMENTS: Readonly<Record<Part, Measurement>> = {
  async systems(context, result, fixture) {
    const { samples, warmUps } = await measureSystems(context, fixture);
    result.systems = samples;
    result.warmUps = warmUps;
    return compareSystems(samples);
  },
  async growth(context, result, fixture: Fixture | undefined) {
    result.growth = await measureGrowth(context, fixture);
    return evaluateGrowth(result.growth);
  },
  async sweep(context, result, fixture) {
    result.sweep = await measureSweep(context, fixture);
    return [evaluateSweep(result.sweep)];
  },
  async memory(context, result, fixture) {
    result.memory = await measureMemory(context, fixture);
    return evaluateMemory(result.memory);
  },
  async idle(context, result, fixture) {
    result.idle = await measureIdle(context, fixture);
    return [evaluateIdle(result.idle)];
  },
  async writes(context, result, fixture) {
    result.writes = await measureWrites(context, fixture);
    return [];
  },
  async authentication(context, result, fixture) {
    result.authentication = await measureAuthentication(context, fixture);
    return evaluateAuthentication(result.authentication);
  },
  async metrics(context, result, fixture) {
    result.metrics = await measureMetrics(context, fixture);
    return evaluateMetrics(result.metrics);
  },
  async tokens(context, result, fixture) {
    result.tokens = await measureTokens(context, fixture);
    return [];
  },
  async versions(context, result, fixture) {
    const { against } = context.options;
    if (against === undefined) return [];
    result.versions = await measureVersions(context, fixture, against);
    return evaluateVersions(result.versions);
  },
  async tracing(context, result, fixture) {
    result.tracing = await measureTracing(context, fixture);
    return [];
  },
  async profile(context, result, fixture) {
    result.profile = await measureProfiles(context, fixture);
    return [];
  },
};

/** A signal has interrupted the run. */
class Interruption extends Error {}

async function main(): Promise<void> {
  const options: Options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  chosenSystems(options);
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => interrupted.abort(new Interruption(`interrupted by ${name}`)));
  }
  await withContext(options, interrupted.signal, run);
}

/** The exit code that shells use for SIGINT. */
const INTERRUPTED = 130;

try {
  await main();
  process.exit();
} catch (error) {
  if (error instanceof OptionError) {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(2);
  }
  if (error instanceof Interruption) {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(INTERRUPTED);
  }
  const { message, stack } = error as Error;
  const ours = (error as Error).constructor === Error;
  // An error of this program has a complete message. For others, the stack is needed.
  process.stderr.write(`bench: ${ours ? message : stack}\n`);
  process.exit(1);
}
