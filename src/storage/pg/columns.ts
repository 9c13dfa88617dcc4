import type { EntitySchema, EntitySchemaColumnOptions, ValueTransformer } from "typeorm";
import type { BinaryRow } from "./binary-row.ts";
import type { Row } from "./database.ts";

/** A column of a table, as the entity declares it. */
export interface Column {
  /** Its name in the domain object. */
  readonly property: string;
  /** Its name in SQL. */
  readonly name: string;
  /** PostgreSQL's type, such as `timestamptz`. */
  readonly type: string;
  /** Converts a value of a row to the domain's value. Undefined if they are the same. */
  readonly fromRow: ((value: unknown) => unknown) | undefined;
  /** Converts the domain's value to a parameter of a statement. */
  readonly toParameter: (value: unknown) => unknown;
}

/**
 * The columns of an entity that are read by default, in the order of their declaration. TypeORM's
 * queries use the same declaration, so our own statements cannot name, order or convert columns
 * differently.
 */
export function columnsOf<Entity>(entity: EntitySchema<Entity>): readonly Column[] {
  const declared = Object.entries(entity.options.columns) as [string, EntitySchemaColumnOptions][];
  const selected = declared.filter(([, { select = true }]) => select);
  return selected.map(([property, { name = property, type, transformer }]) => {
    const { from, to } = (transformer ?? {}) as Partial<ValueTransformer>;
    const toParameter = to ?? (type === "jsonb" ? JSON.stringify : unchanged);
    return { property, name, type: type as string, fromRow: from, toParameter };
  });
}

function unchanged(value: unknown): unknown {
  return value;
}

/**
 * Returns a function that converts a row with these columns to the domain object.
 *
 * The function is compiled from the names, which are constants of this program: for the 18 columns
 * of a session, it takes 0.1 µs for each row, and a loop over the columns takes 1.3 µs.
 *
 * @throws {RangeError} if a name is not an identifier
 */
export function rowMapper<Entity>(columns: readonly Column[]): (row: Row) => Entity {
  const fields = columns.map(({ property, name, fromRow }, index) => {
    for (const identifier of [property, name]) {
      if (!/^\w+$/.test(identifier)) throw new RangeError(`${identifier} is not an identifier`);
    }
    return `${property}: ${fromRow === undefined ? `row.${name}` : `fromRow[${index}](row.${name})`}`;
  });
  const compile = new Function("fromRow", `return (row) => ({ ${fields.join(", ")} });`);
  return compile(columns.map(({ fromRow }) => fromRow));
}

/** The types of columns that a BinaryRow has a method for. */
const BINARY_TYPES = [
  "text",
  "boolean",
  "integer",
  "bigint",
  "timestamptz",
  "bytea",
  "jsonb",
] as const;

/**
 * Returns a function that reads these columns from a row, in their order, as the domain object.
 *
 * It is compiled as `rowMapper` is, for the same reason.
 *
 * @throws {RangeError} if a name is not an identifier, or a type is not known
 */
export function binaryRowReader<Entity>(columns: readonly Column[]): (row: BinaryRow) => Entity {
  const fields = columns.map(({ property, type, fromRow }, index) => {
    if (!/^\w+$/.test(property)) throw new RangeError(`${property} is not an identifier`);
    const method = BINARY_TYPES.find((known) => known === type);
    if (method === undefined) throw new RangeError(`${type} is not a type that is read`);
    const value = `row.${method}()`;
    return `${property}: ${fromRow === undefined ? value : `fromRow[${index}](${value})`}`;
  });
  const compile = new Function("fromRow", `return (row) => ({ ${fields.join(", ")} });`);
  return compile(columns.map(({ fromRow }) => fromRow));
}

export function byId(rows: readonly Row[]): ReadonlyMap<unknown, Row> {
  return new Map(rows.map((row) => [row.id, row]));
}
