import { setTimeout as delay } from "node:timers/promises";
import {
  type BurstComparison,
  type BurstSample,
  burstRatios,
  burstsTable,
  levelsOf,
  measureBursts,
  type Variant,
} from "./bursts.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";
import { freePort } from "./free-port.ts";
import { evaluateGoal, type GoalResult } from "./goals.ts";

/** More often than Prometheus usually does. */
const SCRAPE_INTERVAL_MS = 5000;

const COMPARISON: BurstComparison = {
  figure: "with metrics, scraped every 5 s",
  of: "metrics",
  against: "without",
};

/** What metrics add to the CPU time of Validate, scrapes included. */
export async function measureMetrics(context: Context, fixture: Fixture): Promise<BurstSample[]> {
  const port = await freePort();
  const requests = await fixture.requests("validate");
  const variants: readonly Variant[] = [
    { name: "without", command: fixture.sessiond(), requests },
    {
      name: "metrics",
      command: fixture.sessiond({ SESSIOND_METRICS_PORT: String(port) }),
      requests,
    },
  ];
  const ended = new AbortController();
  const scraping = scrapeUntil(ended.signal, `http://127.0.0.1:${port}/metrics`);
  try {
    return await measureBursts(context, variants);
  } finally {
    ended.abort();
    const scrapes = await scraping;
    if (scrapes === 0) context.complaints.push("metrics: nothing was scraped");
  }
}

/** Returns how many scrapes succeeded. Between rounds, there is no server. */
async function scrapeUntil(signal: AbortSignal, url: string): Promise<number> {
  let scrapes = 0;
  while (!signal.aborted) {
    const scraped = await fetch(url, { signal }).then(
      (response) => response.text(),
      () => undefined,
    );
    if (scraped !== undefined) scrapes += 1;
    await delay(SCRAPE_INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
  return scrapes;
}

export function evaluateMetrics(samples: readonly BurstSample[]): GoalResult[] {
  return levelsOf(samples).map((inFlight) =>
    evaluateGoal(
      `CPU per Validate ${COMPARISON.figure}, against none, ${inFlight} in flight`,
      { at: "most", value: 1.02 },
      burstRatios(samples, COMPARISON, inFlight),
    ),
  );
}

export function metricsTable(samples: readonly BurstSample[]): string {
  return burstsTable(samples, [COMPARISON]);
}
