import pg from "pg";

export interface SentStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * The statements that this process sends to PostgreSQL while `work` is being done, on whatever
 * connection, each text once.
 */
export async function statementsDuring(work: () => Promise<unknown>): Promise<SentStatement[]> {
  const sent = new Map<string, SentStatement>();
  const prototype = pg.Client.prototype as unknown as Record<
    "query",
    (...args: never[]) => unknown
  >;
  const { query } = prototype;
  prototype.query = function (this: unknown, ...args: unknown[]) {
    const [config, second] = args;
    const { text, values } = (
      typeof config === "string" ? { text: config, values: second } : config
    ) as Partial<SentStatement>;
    if (text !== undefined) {
      sent.set(text, { text, values: Array.isArray(values) ? values : [] });
    }
    return query.apply(this, args as never[]);
  };
  try {
    await work();
  } finally {
    prototype.query = query;
  }
  return [...sent.values()];
}
