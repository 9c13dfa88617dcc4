/**
 * Makes docs/dashboard.png: runs sessiond under load, with refusals and with the database away for a moment,
 * lets a Prometheus scrape it, asks that for each query of deploy/grafana/sessiond.json, and draws the answers.
 * Needs Prometheus and Chromium. `--seconds N` runs for another time.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { type Panel, queryOf, readDashboard, type Target } from "../test/metrics/dashboard.ts";
import { findPrometheus, type Prometheus, type QueriedSeries } from "../test/metrics/prometheus.ts";
import { startRealRun } from "../test/metrics/real-run.ts";
import { launchBrowser } from "../test/support/chromium.ts";
import { drawDashboard, type Line, type TimeRange } from "./dashboard-drawing.ts";

const SCRAPE_SECONDS = 3;
const RATE_INTERVAL = "15s";
const AWAY_MS = 12_000;

const { values } = parseArgs({ options: { seconds: { type: "string", default: "180" } } });
const durationMs = 1000 * Number(values.seconds);
if (!(durationMs >= 30_000)) throw new Error("--seconds must be a number of at least 30");
const program = findPrometheus("prometheus");
if (program === undefined)
  throw new Error("Prometheus is not installed: Debian's package is prometheus");

await using stack = new AsyncDisposableStack();
const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-dashboard-"));
stack.defer(() => rm(dataDirectory, { recursive: true, force: true }));
const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
stack.defer(() => postgres.stop());
const run = stack.use(
  await startRealRun({
    program,
    databaseUrl: postgres.url,
    scrapeInterval: `${SCRAPE_SECONDS}s`,
  }),
);
const start = Date.now() / 1000;
console.log(`sessiond runs for ${durationMs / 1000} s; the database is away in between`);
await delay(durationMs / 2);
run.refuse();
await delay(AWAY_MS);
run.restore();
await delay(durationMs / 2 - AWAY_MS);
const range: TimeRange = { start, end: Date.now() / 1000, stepSeconds: SCRAPE_SECONDS };

const dashboard = readDashboard();
const drawn = new Map<Panel, Line[]>();
for (const panel of dashboard.panels) {
  const lines: Line[] = [];
  for (const target of panel.targets ?? []) {
    lines.push(...(await linesOf(run.prometheus, target, range)));
  }
  if (panel.type !== "row" && lines.length === 0) console.log(`no data: ${panel.title}`);
  drawn.set(panel, lines);
}
const browser = await launchBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 1392, height: 1000 } });
  await page.setContent(drawDashboard(dashboard, (panel) => drawn.get(panel) ?? [], range));
  const path = join(import.meta.dirname, "../docs/dashboard.png");
  await page.locator("body").screenshot({ path });
  console.log("docs/dashboard.png is made");
} finally {
  await browser.close();
}

async function linesOf(
  prometheus: Prometheus,
  target: Target,
  { start, end, stepSeconds }: TimeRange,
): Promise<Line[]> {
  const query = queryOf(target, RATE_INTERVAL);
  const series = await prometheus.queryRange(query, { start, end, step: stepSeconds });
  return series.map(({ metric, values = [] }) => ({
    name: nameOf(target, metric),
    points: values.map(([time, value]) => [time, Number(value)] as const),
  }));
}

function nameOf({ legendFormat }: Target, metric: QueriedSeries["metric"]): string {
  return legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "");
}
