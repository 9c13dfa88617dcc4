import { copySessions } from "./bulk.ts";
import type { RunningServer } from "./child.ts";
import type { Context } from "./context.ts";
import { checkpoint, databaseTime, type Sql } from "./database.ts";
import type { Fixture } from "./fixture.ts";
import { ENGINE_SYSTEMS } from "./goals.ts";
import { measure, type Target, warmUp } from "./measure.ts";
import { OptionError } from "./options.ts";
import { findPgbench, PGBENCH_MISSING, pgbenchInserts } from "./pgbench.ts";
import { cpuSecondsOfTree } from "./proc.ts";
import type { Sample, WarmUp } from "./sample.ts";
import { removeAdditions } from "./seed.ts";
import { type Servers, withServers } from "./servers.ts";
import { quantile } from "./statistics.ts";
import { type Length, PGBENCH, SYSTEMS, type System, targetOf } from "./systems.ts";

/** The limit of a warm-up that uses up its requests. */
const ONCE_WARM_UP_MS = 4000;
const INSERTS_AT = 64;
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
  const profiled = SYSTEMS.map(({ name }) => name);
  requireKnown("--profile", options.profile, profiled);
  const names = options.systems ?? (options.engine ? ENGINE_SYSTEMS : undefined);
  if (names === undefined) {
    return { systems: SYSTEMS.filter(({ quick }) => quick || !options.quick), pgbench: true };
  }
  requireKnown("--systems", names, [...SYSTEMS.map(({ name }) => name), PGBENCH]);
  return {
    systems: SYSTEMS.filter(({ name }) => names.includes(name)),
    pgbench: names.includes(PGBENCH),
  };
}

function requireKnown(option: string, names: readonly string[], known: readonly string[]): void {
  for (const name of names) {
    if (!known.includes(name)) {
      throw new OptionError(`${option} does not know "${name}": it takes ${known.join(", ")}`);
    }
  }
}

export interface SystemsResult {
  readonly samples: readonly Sample[];
  readonly warmUps: readonly WarmUp[];
}

/**
 * Measures all systems in each round. The servers of a round run side by side, and with the same number
 * of calls in flight they are measured one after the other, so that a change of the machine's speed
 * meets all of them.
 */
export async function measureSystems(context: Context, fixture: Fixture): Promise<SystemsResult> {
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
  // Next to Create with as many calls in flight.
  const insertsAt = options.levels.includes(INSERTS_AT) ? INSERTS_AT : options.levels.at(-1);
  const samples: Sample[] = [];
  const warmUps: WarmUp[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const turns = new Round(context, fixture, round);
    await withServers(
      context,
      systems,
      (system) => system.command(fixture),
      async (servers) => {
        for (const [system, server] of servers) warmUps.push(await turns.warmUp(system, server));
        for (const inFlight of options.levels) {
          const inserts = inFlight === insertsAt ? pgbench : undefined;
          samples.push(...(await turns.measureAll(servers, inFlight, inserts)));
        }
      },
    );
  }
  return { samples, warmUps };
}

/** A round of measurements, in which each system has its turn. */
class Round {
  readonly #context: Context;
  readonly #fixture: Fixture;
  readonly #round: number;

  constructor(context: Context, fixture: Fixture, round: number) {
    this.#context = context;
    this.#fixture = fixture;
    this.#round = round;
  }

  async warmUp(system: System, server: RunningServer): Promise<WarmUp> {
    const { warmUpMs } = this.#context.options;
    const limitMs = system.once ? Math.min(warmUpMs, ONCE_WARM_UP_MS) : warmUpMs;
    return this.#phase(`${system.title}, warm-up`, async () => {
      const target = await this.#target(system, { inFlight: 64, durationMs: limitMs });
      const round = this.#round;
      const { result } = await this.#restoring(system, () =>
        warmUp(this.#context, server, target, { round, limitMs }),
      );
      return result;
    });
  }

  /** Measures all systems, and pgbench if it is given; in even rounds in the opposite order. */
  async measureAll(
    servers: Servers<System>,
    inFlight: number,
    pgbench: string | undefined,
  ): Promise<Sample[]> {
    const turns = [...servers].map(([system, server]) => ({
      title: system.title,
      measure: () => this.#measure(system, server, inFlight),
    }));
    if (pgbench !== undefined) {
      const inserts = () => measureInserts(this.#context, this.#fixture, pgbench, this.#round);
      turns.push({ title: "pgbench", measure: inserts });
    }
    if (this.#round % 2 === 0) turns.reverse();
    return this.#phase(`${inFlight} in flight`, async (report) => {
      const samples: Sample[] = [];
      for (const { title, measure } of turns) {
        report(title);
        await checkpoint(this.#fixture.sql);
        samples.push(await measure());
      }
      return samples;
    });
  }

  async #measure(system: System, server: RunningServer, inFlight: number): Promise<Sample> {
    const { durationMs } = this.#context.options;
    const window = { inFlight, durationMs, round: this.#round };
    const target = await this.#target(system, window);
    const { result, touched } = await this.#restoring(system, () =>
      measure(this.#context, server, target, window),
    );
    if (touched === undefined) return result;
    return { ...result, writtenShare: touched / (result.answered ?? result.calls) };
  }

  #target(system: System, length: Length): Promise<Target> {
    return targetOf(system, this.#fixture, length, this.#context.signal);
  }

  /** Runs `work`, and restores the tables. Returns also how many sessions it has touched. */
  async #restoring<T>(
    system: System,
    work: () => Promise<T>,
  ): Promise<{ result: T; touched: number | undefined }> {
    const { sql } = this.#fixture;
    const startedAt = await databaseTime(sql);
    const result = await work();
    if (system.adds) await removeAdditions(sql, startedAt);
    const touched = system.touches ? await resetTouches(sql, startedAt) : undefined;
    return { result, touched };
  }

  #phase<T>(title: string, work: (report: (state: string) => void) => Promise<T>): Promise<T> {
    const { progress, options } = this.#context;
    return progress.phase(`round ${this.#round} of ${options.rounds}: ${title}`, work);
  }
}

/**
 * Sets last_seen_at of the touched sessions back, so that as many sessions are due in the next
 * measurement. Returns how many there were. No session is touched twice in one measurement.
 */
async function resetTouches(sql: Sql, since: Date): Promise<number> {
  const [row] = await sql(
    `WITH touched AS (
       UPDATE sessions SET last_seen_at = last_seen_at - interval '5 minutes'
       WHERE last_seen_at >= $1 RETURNING id
     )
     SELECT count(*)::integer AS count FROM touched`,
    [since],
  );
  await sql("VACUUM sessions");
  return row?.count as number;
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
