/** Pieces of SQL that statements of several tables share. */

/** Now, in milliseconds, which is the domain's resolution. */
export const NOW = "date_trunc('milliseconds', statement_timestamp())";

/**
 * A parameter that holds an array. As a subquery, so that the planner does not see its length: it
 * takes plans for known lengths of less than ten for cheaper and then makes one for each execution
 * (250 µs of PostgreSQL's time for a lone read instead of 120).
 */
export function arrayParameter(number: number, type: string): string {
  return `(SELECT $${number}::${type}[])::${type}[]`;
}

/** The items of a batch, from parameters that hold an array for each column. */
export function itemsFrom(alias: string, columns: Readonly<Record<string, string>>): string {
  const types = Object.values(columns);
  const arrays = types.map((type, index) => arrayParameter(index + 1, type));
  return `unnest(${arrays.join(", ")}) AS ${alias} (${Object.keys(columns).join(", ")})`;
}
