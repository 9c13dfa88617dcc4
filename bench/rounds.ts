import { copySessions } from "./bulk.ts";
import type { Context } from "./context.ts";
import { checkpoint, databaseTime } from "./database.ts";
import type { Fixture } from "./fixture.ts";
import { measure, type Target } from "./measure.ts";
import { OptionError } from "./options.ts";
import { findPgbench, PGBENCH_MISSING, pgbenchInserts } from "./pgbench.ts";
import { cpuSecondsOfTree } from "./proc.ts";
import type { Sample } from "./sample.ts";
import { removeAdditions } from "./seed.ts";
import { quantile } from "./statistics.ts";
import { PGBENCH, SYSTEMS, type System } from "./systems.ts";

const WARM_UP_MS = 2000;
const WARM_UP_IN_FLIGHT = 64;
const PGBENCH_CLIENTS = 8;
const INSERT_TABLE = "bench_insert";

/**
 * The systems of the options.
 *
 * @throws {OptionError} if there is no such system
 */
export function chosenSystems(options: Context["options"]): {
  readonly systems: readonly System[];
  readonly pgbench: boolean;
} {
  const names = options.systems;
  if (names === undefined) {
    return { systems: SYSTEMS.filter(({ quick }) => quick || !options.quick), pgbench: true };
  }
  const known = [...SYSTEMS.map(({ name }) => name), PGBENCH];
  for (const name of names) {
    if (!known.includes(name)) {
      throw new OptionError(`--systems does not know "${name}": it takes ${known.join(", ")}`);
    }
  }
  return {
    systems: SYSTEMS.filter(({ name }) => names.includes(name)),
    pgbench: names.includes(PGBENCH),
  };
}

/** Measures all systems in each round, so that a change of the machine's speed is visible. */
export async function measureSystems(context: Context, fixture: Fixture): Promise<Sample[]> {
  const { systems, pgbench: withPgbench } = chosenSystems(context.options);
  const pgbench = withPgbench ? await findPgbench() : undefined;
  if (withPgbench && pgbench === undefined) context.progress.note(PGBENCH_MISSING);
  const { progress, options } = context;
  if (pgbench !== undefined) {
    await progress.phase("a table for pgbench", () => copySessions(fixture.sql, INSERT_TABLE));
  }
  // Before the first round, so that the requests are already written.
  for (const system of systems) {
    await system.requests(fixture, { inFlight: 1, durationMs: 0 }, context.signal);
  }
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const system of systems) {
      const title = `round ${round} of ${options.rounds}: ${system.title}`;
      await progress.phase(title, async (report) => {
        samples.push(...(await measureSystem(context, fixture, system, round, report)));
      });
    }
    if (pgbench !== undefined) {
      const title = `round ${round} of ${options.rounds}: pgbench`;
      await progress.phase(title, async () => {
        samples.push(await measureInserts(context, fixture, pgbench, round));
      });
    }
  }
  return samples;
}

async function measureSystem(
  context: Context,
  fixture: Fixture,
  system: System,
  round: number,
  report: (state: string) => void,
): Promise<Sample[]> {
  const { options, signal } = context;
  const { name, path, protocol } = system;
  const since = await databaseTime(fixture.sql);
  await checkpoint(fixture.sql);
  const samples = await context.withServer(system.command(fixture), async (server) => {
    const measureFor = async (inFlight: number, durationMs: number): Promise<Sample> => {
      const length = { inFlight, durationMs };
      const { file, order } = await system.requests(fixture, length, signal);
      const target: Target = { system: name, path, protocol, requests: file, order };
      const startedAt = await databaseTime(fixture.sql);
      const sample = await measure(context, server, target, { ...length, round });
      return system.touches ? await withWrittenShare(fixture, sample, startedAt) : sample;
    };
    report("warm-up");
    await measureFor(WARM_UP_IN_FLIGHT, Math.min(WARM_UP_MS, options.durationMs));
    const measured: Sample[] = [];
    for (const inFlight of options.levels) {
      report(`${inFlight} in flight`);
      measured.push(await measureFor(inFlight, options.durationMs));
    }
    return measured;
  });
  if (system.adds) await removeAdditions(fixture.sql, since);
  return samples;
}

/**
 * Adds the share of calls that wrote, and sets last_seen_at of the touched sessions back, so that as
 * many sessions are due in the next measurement. No session is touched twice in one measurement.
 */
async function withWrittenShare(fixture: Fixture, sample: Sample, since: Date): Promise<Sample> {
  const [row] = await fixture.sql(
    `WITH touched AS (
       UPDATE sessions SET last_seen_at = last_seen_at - interval '5 minutes'
       WHERE last_seen_at >= $1 RETURNING id
     )
     SELECT count(*)::integer AS count FROM touched`,
    [since],
  );
  await fixture.sql("VACUUM sessions");
  return { ...sample, writtenShare: (row?.count as number) / sample.calls };
}

async function measureInserts(
  context: Context,
  fixture: Fixture,
  pgbench: string,
  round: number,
): Promise<Sample> {
  const { options, server } = context;
  const { sql, url, credentials } = fixture;
  const since = await databaseTime(sql);
  await checkpoint(sql);
  const databaseCpu = async () =>
    server.postmasterPid === undefined ? undefined : cpuSecondsOfTree(server.postmasterPid);
  const before = await databaseCpu();
  const result = await pgbenchInserts(pgbench, context, {
    databaseUrl: url,
    table: INSERT_TABLE,
    ids: "ordered",
    signingKeyId: credentials.signingKeyId,
    clients: PGBENCH_CLIENTS,
    durationMs: options.durationMs,
  });
  const after = await databaseCpu();
  await sql(`DELETE FROM ${INSERT_TABLE} WHERE created_at >= $1`, [since]);
  await sql(`VACUUM (ANALYZE) ${INSERT_TABLE}`);
  const cpuSeconds = before === undefined || after === undefined ? undefined : after - before;
  return {
    system: PGBENCH,
    inFlight: PGBENCH_CLIENTS,
    round,
    calls: result.calls,
    errors: 0,
    seconds: result.seconds,
    perSecond: result.perSecond,
    p50Us: quantile(result.latenciesUs, 0.5),
    p99Us: quantile(result.latenciesUs, 0.99),
    serverCpuUs: undefined,
    databaseCpuUs: cpuSeconds === undefined ? undefined : (cpuSeconds / result.calls) * 1e6,
    peakMemoryBytes: undefined,
    generatorCpuShare: undefined,
  };
}
