import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { COLLECTOR, REGISTER, SDK, startCollector } from "../test/tracing/collector.ts";
import {
  type BurstComparison,
  type BurstSample,
  burstsTable,
  measureBursts,
  type Variant,
} from "./bursts.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";

/** The share of the calls that is sampled, by the name of the variant. */
const SHARES = { "sampled-0": "0", "sampled-1": "0.01", "sampled-100": "1" };

const COMPARISONS: readonly BurstComparison[] = [
  { figure: "with an SDK, nothing sampled", of: "sampled-0", against: "without" },
  { figure: "with an SDK, 1 % sampled", of: "sampled-1", against: "without" },
  { figure: "with an SDK, 100 % sampled", of: "sampled-100", against: "without" },
];

/** What the example's SDK adds to the CPU time of Validate, while it exports to a Collector. */
export async function measureTracing(context: Context, fixture: Fixture): Promise<BurstSample[]> {
  for (const path of [COLLECTOR, SDK]) {
    if (!existsSync(path)) {
      throw new Error(`${path} is missing: npm run tracing-example -- --prepare`);
    }
  }
  const directory = join(context.directory, "collector");
  await mkdir(directory);
  const collector = await startCollector(directory, new Set());
  context.stack.defer(async () => {
    await collector.stop();
  });
  const requests = await fixture.requests("validate");
  const traced = (share: string) =>
    fixture.sessiond({
      NODE_OPTIONS: `--import ${pathToFileURL(REGISTER)}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: share,
    });
  return measureBursts(context, [
    { name: "without", command: fixture.sessiond(), requests },
    ...Object.entries(SHARES).map(
      ([name, share]): Variant => ({ name, command: traced(share), requests }),
    ),
  ]);
}

export function tracingTable(samples: readonly BurstSample[]): string {
  return burstsTable(samples, COMPARISONS);
}
