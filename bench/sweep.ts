import type { Context } from "./context.ts";
import { clientOf, type Fixture } from "./fixture.ts";
import { evaluateGoal, type GoalResult } from "./goals.ts";
import { measure, type Target, warmUp } from "./measure.ts";
import type { Sample } from "./sample.ts";
import { addExpired } from "./seed.ts";
import { median, ratio } from "./statistics.ts";

const IN_FLIGHT = 64;
const UNDISTURBED_WINDOWS = 3;
/** A GarbageCollect call ends within half of the maximum deadline, which is 30 s. */
const CALL_TIMEOUT_MS = 30_000;

export interface SweepResult {
  readonly expired: number;
  readonly deleted: number;
  readonly seconds: number;
  /** Consecutive measurements before, during and after the sweep. */
  readonly before: readonly Sample[];
  readonly during: readonly Sample[];
  readonly after: readonly Sample[];
}

/** Measures Validate, in windows of the usual length, while a sweep deletes expired rows. */
export async function measureSweep(context: Context, fixture: Fixture): Promise<SweepResult> {
  const { options, progress, signal } = context;
  await progress.phase(`${options.expired} expired sessions`, (report) =>
    addExpired(fixture.sql, options.expired, report, signal),
  );
  const target: Target = {
    system: "validate",
    path: "/sessiond.v1.SessionService/Validate",
    protocol: "grpc",
    requests: await fixture.requests("validate"),
    order: "random",
  };
  return progress.phase("Validate while they are swept", (report) =>
    context.withServer(fixture.sessiond(), async (server) => {
      let round = 0;
      const window = (): Promise<Sample> => {
        round += 1;
        const { durationMs } = options;
        return measure(context, server, target, { inFlight: IN_FLIGHT, round, durationMs });
      };
      const undisturbed = async (): Promise<Sample[]> => {
        const samples: Sample[] = [];
        while (samples.length < UNDISTURBED_WINDOWS) samples.push(await window());
        return samples;
      };
      report("warm-up");
      await warmUp(context, server, target, { round, limitMs: options.warmUpMs });
      report("undisturbed");
      const before = await undisturbed();

      const client = clientOf(server);
      const startedAt = performance.now();
      let deleted = 0;
      let sweeping = true;
      const sweep = async (): Promise<number> => {
        for (let more = true; more; ) {
          const swept = await client.garbageCollect({}, { timeoutMs: CALL_TIMEOUT_MS });
          if (swept.failedParts.length > 0) throw new Error(`sweep failed: ${swept.failedParts}`);
          deleted += swept.sessionsDeleted;
          more = swept.more;
          report(`${deleted} rows swept`);
        }
        return (performance.now() - startedAt) / 1000;
      };
      const swept = sweep().finally(() => {
        sweeping = false;
      });
      swept.catch(() => {});
      const during: Sample[] = [];
      while (sweeping) {
        const sample = await window();
        // A window that ended after the sweep was only partly disturbed.
        if (sweeping || during.length === 0) during.push(sample);
      }
      const seconds = await swept;
      report("undisturbed again");
      const after = await undisturbed();
      return { expired: options.expired, deleted, seconds, before, during, after };
    }),
  );
}

export function evaluateSweep({ before, during, after }: SweepResult): GoalResult {
  const undisturbed = median([...before, ...after].flatMap(({ p99Us }) => p99Us ?? []));
  return evaluateGoal(
    `Validate p99, ${IN_FLIGHT} in flight, while rows are swept, against undisturbed`,
    { at: "most", value: 2 },
    during.map(({ p99Us }) => ratio(p99Us, undisturbed)),
  );
}

export function sweepLines({ expired, deleted, seconds, during }: SweepResult): string[] {
  const rate = Math.round(deleted / seconds);
  return [
    `${deleted} of ${expired} expired rows swept in ${seconds.toFixed(1)} s (${rate}/s), ` +
      `over ${during.length} windows of Validate.`,
  ];
}
