import type { EntitySchema, EntitySchemaColumnOptions, ValueTransformer } from "typeorm";
import type { Row } from "./database.ts";

/** A column of a table, as the entity declares it. */
export interface Column {
  /** Its name in the domain. */
  readonly property: string;
  /** Its name in SQL. */
  readonly name: string;
  /** PostgreSQL's type, such as `timestamptz`. */
  readonly type: string;
  /** From a value of a row to one of the domain; undefined if they are the same. */
  readonly fromRow: ((value: unknown) => unknown) | undefined;
  /** From a value of the domain to a parameter of a statement. */
  readonly toParameter: (value: unknown) => unknown;
}

/**
 * The columns of an entity, in the order of their declaration. TypeORM's queries read the same
 * declaration, so that our own statements cannot name, order or convert columns differently.
 */
export function columnsOf<Entity>(entity: EntitySchema<Entity>): readonly Column[] {
  const declared = Object.entries(entity.options.columns) as [string, EntitySchemaColumnOptions][];
  return declared.map(([property, { name = property, type, transformer }]) => {
    const { from, to } = (transformer ?? {}) as Partial<ValueTransformer>;
    const toParameter = to ?? (type === "jsonb" ? JSON.stringify : unchanged);
    return { property, name, type: type as string, fromRow: from, toParameter };
  });
}

function unchanged(value: unknown): unknown {
  return value;
}

/**
 * Returns the function that makes the domain's object from a row with these columns.
 *
 * It is compiled from the names, which are constants of this program: a loop over the 18 columns of
 * a session takes 1.3 µs for each row, the compiled function 0.1 µs.
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
