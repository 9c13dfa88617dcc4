/** Scrapes of sessiond's metrics, for tests. */

export interface Scrape {
  readonly text: string;
  /** The value of the series with exactly these labels, or undefined if there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** All series of the name: their labels and values. */
  series(
    name: string,
  ): { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

export async function scrape(port: number | undefined): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  return parseScrape(await response.text());
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parseScrape(text: string): Scrape {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const all = lines.map((line) => {
    const [, name = "", labelText = "", value = ""] = LINE.exec(line) ?? [];
    const labels = Object.fromEntries(
      [...labelText.matchAll(LABEL)].map(([, label, content]) => [label, content]),
    ) as Record<string, string>;
    return { name, labels, value: Number(value) };
  });
  const series = (wanted: string) =>
    all.filter(({ name }) => name === wanted).map(({ labels, value }) => ({ labels, value }));
  return {
    text,
    series,
    value(name, labels = {}) {
      const key = keyOf(labels);
      return series(name).find((one) => keyOf(one.labels) === key)?.value;
    },
  };
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort());
}
