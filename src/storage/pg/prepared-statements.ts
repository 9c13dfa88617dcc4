import { createHash } from "node:crypto";
import { type PreparedStatementLost, preparedStatementLost } from "./errors.ts";

export interface Statement {
  /** The name of the prepared statement. Without it, the statement is not prepared. */
  readonly name?: string;
  /** What it does to which tables, such as `SELECT sessions`: the name of its span. */
  readonly summary?: string;
  /** Without values: they are parameters. */
  readonly text: string;
}

export interface PreparedStatementsOptions {
  /** Whether statements with a name are prepared. */
  readonly preparedStatements: boolean;
  /** Called once, when the connections turn out not to keep prepared statements. */
  readonly onPreparedStatementLost?: (error: PreparedStatementLost) => void;
}

/**
 * Decides which statements are prepared, and under which names. After one was lost, as happens with
 * PgBouncer in transaction mode, none is prepared any more.
 */
export class PreparedStatements {
  readonly #options: PreparedStatementsOptions;
  readonly #names = new WeakMap<Statement, string>();
  #lost = false;

  constructor(options: PreparedStatementsOptions) {
    this.#options = options;
  }

  /**
   * The name under which the statement is prepared; undefined if it is not. The same name always means
   * the same text, also for another version of sessiond on the connection that PgBouncer gives both.
   */
  nameOf(statement: Statement): string | undefined {
    const { name, text } = statement;
    if (name === undefined || !this.#options.preparedStatements || this.#lost) return undefined;
    let preparedName = this.#names.get(statement);
    if (preparedName === undefined) {
      const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
      preparedName = `${name}_${hash}`;
      this.#names.set(statement, preparedName);
    }
    return preparedName;
  }

  /**
   * Settles as the result of a prepared statement does.
   *
   * @throws {PreparedStatementLost} if the driver's error means that the statement was lost
   */
  async noticeLoss<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      const lost = preparedStatementLost(error);
      if (lost === undefined) throw error;
      if (!this.#lost) {
        this.#lost = true;
        this.#options.onPreparedStatementLost?.(lost);
      }
      throw lost;
    }
  }
}
