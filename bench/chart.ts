import { type Summary, summarise } from "./format.ts";
import type { Sample } from "./sample.ts";
import type { Spread } from "./statistics.ts";
import { PGBENCH, titleOf } from "./systems.ts";

const IN_FLIGHT = 64;

const WIDTH = 760;
const LABELS = 250;
const VALUES = 150;
const BARS = WIDTH - LABELS - VALUES;
const ROW = 24;
const BAR = 14;
const HEAD = 40;
const GAP = 16;

/** For light and dark viewers: the image has no background. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .value { font-variant-numeric: tabular-nums; fill: #59636e; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .value { fill: #9198a1; }
    .bar { fill: #656c76; }
    .ours { fill: #4493f8; }
    .spread { stroke: #f0f6fc; }
  }`;

interface Bar {
  readonly label: string;
  readonly ours: boolean;
  readonly spread: Spread;
}

/** Throughput and CPU of each system at 64 calls in flight, as bars with the rounds' spread. */
export function drawChart(samples: readonly Sample[]): string {
  const atLevel = summarise(samples).filter(
    ({ system, inFlight }) => inFlight === IN_FLIGHT && system !== PGBENCH,
  );
  const panels = [
    panel(`Calls per second, ${IN_FLIGHT} in flight`, bars(atLevel, "perSecond")),
    panel("CPU of the server's process, µs per call", bars(atLevel, "serverCpuUs")),
  ].filter(({ height }) => height > 0);
  let top = 0;
  const placed = panels.map(({ svg, height }) => {
    const group = `<g transform="translate(0 ${top})">${svg}</g>`;
    top += height + GAP;
    return group;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img">
<title>sessiond beside its limits and alternatives: throughput and CPU per call</title>
<style>${STYLE}
</style>
${placed.join("\n")}
</svg>
`;
}

function bars(summaries: readonly Summary[], figure: "perSecond" | "serverCpuUs"): Bar[] {
  return summaries.flatMap(({ system, figures }) => {
    const spread = figures[figure];
    const label = titleOf(system);
    return spread === undefined ? [] : [{ label, ours: label.startsWith("sessiond"), spread }];
  });
}

function panel(title: string, rows: readonly Bar[]): { svg: string; height: number } {
  if (rows.length === 0) return { svg: "", height: 0 };
  const most = Math.max(...rows.map(({ spread }) => spread.max));
  const x = (value: number): number => LABELS + Math.round((value / most) * BARS * 10) / 10;
  const lines = rows.map(({ label, ours, spread }, index) => {
    const middle = HEAD + index * ROW + ROW / 2;
    const { median, min, max } = spread;
    return `
<text x="${LABELS - 10}" y="${middle + 4}" text-anchor="end">${escapeXml(label)}</text>
<rect class="${ours ? "ours" : "bar"}" x="${LABELS}" y="${middle - BAR / 2}" width="${(x(median) - LABELS).toFixed(1)}" height="${BAR}" rx="2"/>
<line class="spread" x1="${x(min)}" x2="${x(max)}" y1="${middle}" y2="${middle}"/>
<text class="value" x="${x(max) + 8}" y="${middle + 4}">${Math.round(median).toLocaleString("en-US")}</text>`;
  });
  return {
    svg: `<text class="title" x="${LABELS}" y="24">${escapeXml(title)}</text>${lines.join("")}`,
    height: HEAD + rows.length * ROW,
  };
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
