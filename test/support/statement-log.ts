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
  await observeStatements((statement) => sent.set(statement.text, statement), work);
  return [...sent.values()];
}

/** How many statements whose text matches this process sends while `work` is being done. */
export async function countStatements(
  pattern: RegExp,
  work: () => Promise<unknown>,
): Promise<number> {
  let count = 0;
  const observe = ({ text }: SentStatement) => {
    if (pattern.test(text)) count += 1;
  };
  await observeStatements(observe, work);
  return count;
}

async function observeStatements(
  observe: (statement: SentStatement) => void,
  work: () => Promise<unknown>,
): Promise<void> {
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
    if (text !== undefined) observe({ text, values: Array.isArray(values) ? values : [] });
    return query.apply(this, args as never[]);
  };
  try {
    await work();
  } finally {
    prototype.query = query;
  }
}
