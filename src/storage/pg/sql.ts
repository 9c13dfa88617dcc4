/** SQL fragments that statements on different tables share. */

/** The start of the statement, in milliseconds, which is the domain's resolution. */
export const NOW = "date_trunc('milliseconds', statement_timestamp())";

/**
 * A parameter that is an array. It is in a subquery so that the planner does not know its length:
 * for lengths below ten, the planner estimates a custom plan to be cheaper, and makes one for each
 * execution (250 µs of PostgreSQL's time for a single read instead of 120).
 */
export function arrayParameter(number: number, type: string): string {
  return `(SELECT $${number}::${type}[])::${type}[]`;
}

/** The items of a batch as a table. The parameters, from $1 on, are an array for each column. */
export function itemsFrom(alias: string, columns: Readonly<Record<string, string>>): string {
  const types = Object.values(columns);
  const arrays = types.map((type, index) => arrayParameter(index + 1, type));
  return `unnest(${arrays.join(", ")}) AS ${alias} (${Object.keys(columns).join(", ")})`;
}
