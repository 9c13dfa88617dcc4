import { stripVTControlCharacters } from "node:util";

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
}

export interface TableOptions {
  /** Longer lines are cut. `undefined`: none are. */
  readonly width: number | undefined;
  readonly hasColors: boolean;
}

const GAP = "  ";
const BOLD = ["\u001b[1m", "\u001b[22m"] as const;

/**
 * Text that others have chosen, such as a user agent, as one line that cannot control the terminal: escape
 * sequences are left out, and other control and format characters are replaced.
 */
export function visible(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "\ufffd");
}

/** The same for text that has several lines of its own. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** A table that is written in parts. Its columns are as wide as the first part needs them. */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #options: TableOptions;
  #widths: readonly number[] | undefined;

  constructor(columns: readonly Column<Row>[], options: TableOptions) {
    this.#columns = columns;
    this.#options = options;
  }

  /** The next rows, with the titles before the first ones. */
  format(rows: readonly Row[]): string {
    const cells = rows.map((row) => this.#columns.map(({ value }) => visible(value(row)) || "-"));
    if (this.#widths !== undefined) return cells.map((line) => this.#line(line)).join("");
    const titles = this.#columns.map(({ title }) => title);
    this.#widths = titles.map((title, index) =>
      Math.max(title.length, ...cells.map((line) => lengthOf(line[index]))),
    );
    const [on, off] = this.#options.hasColors ? BOLD : ["", ""];
    const head = this.#line(titles).trimEnd();
    return `${on}${head}${off}\n${cells.map((line) => this.#line(line)).join("")}`;
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, index) => pad(cell, this.#widths?.[index] ?? 0));
    return `${cut(padded.join(GAP).trimEnd(), this.#options.width)}\n`;
  }
}

/** JSON whose strings cannot control the terminal either: JSON itself escapes U+0000 to U+001F only. */
export function visibleJson(json: string): string {
  return json.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.split("").map(escapeUnit).join(""),
  );
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One thing, as lines of a name and a value. Others may have chosen both. */
export function formatFields(
  entries: readonly (readonly [name: string, value: string])[],
  { width, hasColors }: TableOptions,
): string {
  const fields = entries.map(([name, value]) => [visible(name), visible(value)] as const);
  const nameWidth = Math.max(...fields.map(([name]) => lengthOf(name)));
  const [on, off] = hasColors ? BOLD : ["", ""];
  return fields
    .map(([name, value]) => {
      const room = width === undefined ? undefined : Math.max(1, width - nameWidth - GAP.length);
      return `${on}${pad(name, nameWidth)}${off}${GAP}${cut(value || "-", room)}\n`;
    })
    .join("");
}

function lengthOf(text = ""): number {
  return [...text].length;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - lengthOf(text)));
}

function cut(text: string, width: number | undefined): string {
  if (width === undefined || lengthOf(text) <= width) return text;
  return `${[...text].slice(0, Math.max(0, width - 1)).join("")}…`;
}
