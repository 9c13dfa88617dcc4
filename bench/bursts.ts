import type { RunningServer, ServerCommand } from "./child.ts";
import type { Context } from "./context.ts";
import { table } from "./format.ts";
import type { LoadOptions } from "./load.ts";
import { complain } from "./measure.ts";
import { type Servers, withServers } from "./servers.ts";
import { ratio, type Spread, spreadOf } from "./statistics.ts";

const PATH = "/sessiond.v1.SessionService/Validate";
const BURSTS_PER_ROUND = 10;
const BURST_CALLS = 3000;
/** Of each burst: new connections, whose handshakes are not measured, and the headers of their calls. */
const BURST_WARM_UP_MS = 100;
/** By then, V8 has compiled what is called often, also on a busy machine. */
const WARM_UP_CALLS = 40_000;
const WARM_UP_IN_FLIGHT = 64;

/** A sessiond, and how it is called. */
export interface Variant {
  readonly name: string;
  readonly command: ServerCommand;
  /** The file with the requests. */
  readonly requests: string;
  /** What the callers present, and how they connect. */
  readonly callers?: Pick<LoadOptions, "authorization" | "tls">;
}

/** The CPU time that a variant used for each Validate in one burst. */
export interface BurstSample {
  readonly variant: string;
  readonly inFlight: number;
  readonly round: number;
  readonly burst: number;
  readonly calls: number;
  readonly serverCpuUs: number;
}

/**
 * Measures Validate on all variants in short bursts, in turn, so that a change of the machine's speed
 * meets all of them. Each round starts the servers anew, because two processes of the same program
 * differ by a few percent in what is compiled and where it lies.
 */
export async function measureBursts(
  context: Context,
  variants: readonly Variant[],
): Promise<BurstSample[]> {
  const { rounds } = context.options;
  const samples: BurstSample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const names = variants.map(({ name }) => name).join(", ");
    await context.progress.phase(`bursts, round ${round} of ${rounds}: ${names}`, (report) =>
      withServers(
        context,
        variants,
        ({ command }) => command,
        async (servers) => {
          samples.push(...(await measureRound(context, servers, round, report)));
        },
      ),
    );
  }
  return samples;
}

async function measureRound(
  context: Context,
  servers: Servers<Variant>,
  round: number,
  report: (state: string) => void,
): Promise<BurstSample[]> {
  const call = async (variant: Variant, inFlight: number, seed: number, more = {}) => {
    const server = servers.get(variant) as RunningServer;
    const result = await context.load({
      url: `${server.url}${PATH}`,
      protocol: "grpc",
      requests: variant.requests,
      order: "random",
      inFlight,
      calls: BURST_CALLS,
      warmUpMs: BURST_WARM_UP_MS,
      seed,
      serverPid: server.pid,
      ...variant.callers,
      ...more,
    });
    complain(context, `${variant.name} at ${inFlight} in flight`, result);
    return result;
  };
  const variants = [...servers.keys()];
  report("warm-up");
  for (const variant of variants) {
    await call(variant, WARM_UP_IN_FLIGHT, round, { calls: WARM_UP_CALLS });
  }
  const samples: BurstSample[] = [];
  for (const inFlight of context.options.levels) {
    for (let burst = 1; burst <= BURSTS_PER_ROUND; burst += 1) {
      report(`${inFlight} in flight, burst ${burst} of ${BURSTS_PER_ROUND}`);
      // Forwards and backwards, so that none is always measured before another.
      for (const variant of burst % 2 === 1 ? variants : variants.toReversed()) {
        const seed = (round * BURSTS_PER_ROUND + burst) * 1000 + inFlight;
        const { calls, errors, serverCpuSeconds } = await call(variant, inFlight, seed);
        const serverCpuUs = (serverCpuSeconds / Math.max(1, calls + errors)) * 1e6;
        samples.push({ variant: variant.name, inFlight, round, burst, calls, serverCpuUs });
      }
    }
  }
  return samples;
}

/** Two variants whose CPU time is compared. */
export interface BurstComparison {
  readonly figure: string;
  readonly of: string;
  readonly against: string;
}

/** For each round the median of the ratios of bursts that followed each other. */
export function burstRatios(
  samples: readonly BurstSample[],
  { of, against }: BurstComparison,
  inFlight: number,
): number[] {
  const rounds = Map.groupBy(
    samples.filter((sample) => sample.inFlight === inFlight),
    ({ round }) => round,
  );
  return [...rounds.values()]
    .map((round) => {
      const cpu = (variant: string, burst: number) =>
        round.find((sample) => sample.variant === variant && sample.burst === burst)?.serverCpuUs;
      const bursts = [...new Set(round.map(({ burst }) => burst))];
      return spreadOf(bursts.map((burst) => ratio(cpu(of, burst), cpu(against, burst))))?.median;
    })
    .filter((value) => value !== undefined);
}

export function levelsOf(samples: readonly BurstSample[]): number[] {
  return [...new Set(samples.map(({ inFlight }) => inFlight))];
}

/** A table of the comparisons: medians, and the extremes of the rounds. */
export function burstsTable(
  samples: readonly BurstSample[],
  comparisons: readonly BurstComparison[],
): string {
  const cpu = (variant: string, inFlight: number): string => {
    const own = samples.filter((s) => s.variant === variant && s.inFlight === inFlight);
    return spreadOf(own.map(({ serverCpuUs }) => serverCpuUs))?.median.toFixed(1) ?? "–";
  };
  const shown = (spread: Spread | undefined): string =>
    spread === undefined
      ? "–"
      : `${spread.median.toFixed(3)} (${spread.min.toFixed(3)}–${spread.max.toFixed(3)})`;
  return table(
    ["CPU of Validate", "in flight", "µs/call", "against", "ratio"],
    comparisons.flatMap((comparison) =>
      levelsOf(samples).map((inFlight) => [
        comparison.figure,
        String(inFlight),
        cpu(comparison.of, inFlight),
        cpu(comparison.against, inFlight),
        shown(spreadOf(burstRatios(samples, comparison, inFlight))),
      ]),
    ),
  );
}
