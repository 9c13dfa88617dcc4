/** Draws the panels of a Grafana dashboard from what Prometheus answers, as HTML with SVG. */
import type { Dashboard, Panel } from "../test/metrics/dashboard.ts";

/** The points of one line: times in seconds, and values. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [time: number, value: number])[];
}

export interface TimeRange {
  readonly start: number;
  readonly end: number;
  /** The time between two points of a line. Where it is longer, values are missing. */
  readonly stepSeconds: number;
}

const COLUMN_PX = 58;
const ROW_PX = 30;
const GAP_PX = 6;
const COLORS = [
  ...["#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#b877d9", "#e02f44", "#56d2d8", "#fade2a"],
  ...["#8ab8ff", "#ff9830", "#96d98d", "#ca95e5"],
];
const MAX_LEGENDS = 8;

export function drawDashboard(
  { title, panels }: Dashboard,
  linesOf: (panel: Panel) => readonly Line[],
  range: TimeRange,
): string {
  const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * ROW_PX;
  const drawn = panels.map((panel) => drawPanel(panel, linesOf(panel), range)).join("\n");
  return `<!doctype html><meta charset="utf-8"><title>${escaped(title)}</title>
<style>
  body { margin: 0; width: ${24 * COLUMN_PX}px; height: ${height}px; position: relative; overflow: hidden;
    background: #111217; color: #ccccdc; font: 12px "DejaVu Sans", sans-serif; }
  .panel { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #2c3036; }
  .row { background: none; border: none; font-size: 15px; padding: 5px 4px; }
  h2 { margin: 0; padding: 5px 8px 0; font-size: 12px; font-weight: 600; }
  .stat { font-size: 26px; text-align: center; padding-top: 14px; color: #73bf69; }
  .legend { position: absolute; left: 8px; right: 8px; bottom: 4px; font-size: 9px; line-height: 12px; }
  .legend span { margin-right: 8px; white-space: nowrap; }
  .legend b { display: inline-block; width: 9px; height: 3px; margin-right: 3px; vertical-align: middle; }
  text { fill: #8e8e98; font-size: 9px; }
</style>
${drawn}`;
}

function drawPanel(panel: Panel, lines: readonly Line[], range: TimeRange): string {
  const { x, y, w, h } = panel.gridPos;
  const box = { width: w * COLUMN_PX - GAP_PX, height: h * ROW_PX - GAP_PX };
  const style = `left:${x * COLUMN_PX}px;top:${y * ROW_PX}px;width:${box.width}px;height:${box.height}px`;
  if (panel.type === "row") {
    return `<div class="panel row" style="${style}">${escaped(panel.title)}</div>`;
  }
  const unit = panel.fieldConfig?.defaults.unit ?? "short";
  const content = panel.type === "stat" ? stat(lines, unit) : chart(panel, lines, range, box, unit);
  return `<div class="panel" style="${style}"><h2>${escaped(panel.title)}</h2>${content}</div>`;
}

function stat(lines: readonly Line[], unit: string): string {
  const values = lines.map(({ name, points }) => {
    const text = inUnit(points.at(-1)?.[1] ?? Number.NaN, unit);
    return name === "" ? text : `${text} × ${name}`;
  });
  return `<div class="stat">${escaped(values.join(", "))}</div>`;
}

function chart(
  panel: Panel,
  lines: readonly Line[],
  { start, end, stepSeconds }: TimeRange,
  box: { readonly width: number; readonly height: number },
  unit: string,
): string {
  const area = { left: 48, top: 4, width: box.width - 60, height: box.height - 92 };
  const isStacked = panel.fieldConfig?.defaults.custom?.stacking.mode === "normal";
  const shown = isStacked ? stacked(lines) : lines;
  const values = shown.flatMap(({ points }) => points.map(([, value]) => value));
  const max = Math.max(...values.filter(Number.isFinite), 1e-9) * 1.1;
  const px = (time: number) => area.left + ((time - start) / (end - start)) * area.width;
  const py = (value: number) => area.top + area.height * (1 - value / max);
  const grid = [0, 0.5, 1].map((part) => {
    const at = py(part * max);
    return `<line x1="${area.left}" x2="${area.left + area.width}" y1="${at}" y2="${at}" stroke="#2c3036"/>
<text x="${area.left - 4}" y="${at + 3}" text-anchor="end">${escaped(inUnit(part * max, unit))}</text>`;
  });
  const minutes = Array.from({ length: Math.floor((end - start) / 60) + 1 }, (_, minute) => {
    const at = px(start + 60 * minute);
    return `<text x="${at}" y="${area.top + area.height + 12}" text-anchor="middle">${minute} min</text>`;
  });
  const paths = shown.map(({ points }, index) => {
    const finite = points.filter(([, value]) => Number.isFinite(value));
    const path = finite
      .map(([time, value], at) => {
        const [before = Number.NEGATIVE_INFINITY] = finite[at - 1] ?? [];
        const command = time - before > stepSeconds * 1.5 ? "M" : "L";
        return `${command}${px(time).toFixed(1)} ${py(value).toFixed(1)}`;
      })
      .join("");
    return `<path d="${path}" fill="none" stroke="${colorOf(index)}" stroke-width="1.3"/>`;
  });
  const legends = lines.slice(0, MAX_LEGENDS).map(({ name }, index) => {
    return `<span><b style="background:${colorOf(index)}"></b>${escaped(name.replace(/sessiond\.v1\.SessionService\//, ""))}</span>`;
  });
  const rest = lines.length - MAX_LEGENDS;
  if (rest > 0) legends.push(`<span>and ${rest} more</span>`);
  return `<svg width="${box.width}" height="${box.height - 70}">${[...grid, ...minutes, ...paths].join("")}</svg>
<div class="legend">${legends.join("")}</div>`;
}

/** Each line on top of those before it. */
function stacked(lines: readonly Line[]): Line[] {
  const sums = new Map<number, number>();
  return lines.map(({ name, points }) => ({
    name,
    points: points.map(([time, value]) => {
      const sum = (sums.get(time) ?? 0) + (Number.isFinite(value) ? value : 0);
      sums.set(time, sum);
      return [time, sum] as const;
    }),
  }));
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length] as string;
}

function inUnit(value: number, unit: string): string {
  if (!Number.isFinite(value)) return "–";
  if (unit === "percentunit") return `${rounded(100 * value)} %`;
  if (unit === "bytes") return `${rounded(value / 2 ** 20)} MiB`;
  if (unit === "reqps") return `${rounded(value)}/s`;
  if (unit !== "s") return rounded(value);
  if (value >= 86_400) return `${rounded(value / 86_400)} d`;
  return value < 1 ? `${rounded(1000 * value)} ms` : `${rounded(value)} s`;
}

function rounded(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
