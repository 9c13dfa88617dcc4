import type pg from "pg";
import { BinaryRow } from "./binary-row.ts";
import { type DataRows, dataRows } from "./data-row-client.ts";

/** What a query uses of the driver's connection, which the types do not declare. */
interface DriverConnection {
  readonly stream: { cork(): void; uncork(): void; write(bytes: Buffer): void };
  /** The texts of the prepared statements by name: those that the server has, and those being prepared. */
  readonly parsedStatements: Record<string, string>;
  readonly submittedNamedStatements: Record<string, string>;
  parse(statement: { name: string; text: string }): void;
  sendCopyFail(message: string): void;
}

/** Messages of PostgreSQL's protocol: Execute of the unnamed portal, without a limit, and Sync. */
const EXECUTE_AND_SYNC = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4]);
const BIND = 0x42;
const BINARY_FORMAT = 1;
/** Of a Bind message without name and values. */
const BIND_BYTES = 15;

/** One for all queries: rows are read one after another. */
const row = new BinaryRow();

/**
 * A query for the driver's client, which must be a DataRowClient. It asks for rows in the binary format
 * and reads them from the bytes that have arrived. For the row of a session the driver takes 8 µs of this
 * process's time, and this 2. PostgreSQL saves the conversion of timestamps to text.
 *
 * The client calls the methods, as those of its own queries; `name`, `text` and `values` are for it, too.
 */
export class BinaryQuery<T> implements pg.Submittable {
  /** Empty: the statement is not prepared. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly string[];
  /** What `read` returned for each row. Rejects with the driver's error. */
  readonly result: Promise<readonly T[]>;
  readonly #read: (row: BinaryRow) => T;
  readonly #found: T[] = [];
  #rows: DataRows | undefined;
  #failure: unknown;
  #resolve!: (found: readonly T[]) => void;
  #reject!: (error: unknown) => void;

  constructor(
    statement: { readonly name: string | undefined; readonly text: string },
    values: readonly string[],
    read: (row: BinaryRow) => T,
  ) {
    this.name = statement.name ?? "";
    this.text = statement.text;
    this.values = values;
    this.#read = read;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Sends the statement. Returns the error if it cannot be sent. */
  submit(driverConnection: pg.Connection): Error | null {
    const connection = driverConnection as unknown as DriverConnection;
    const rows = dataRows(driverConnection);
    if (rows === undefined) return new Error("the connection cannot read rows in binary");
    rows.onDataRow = this.#onDataRow;
    this.#rows = rows;
    const { name, text } = this;
    const { stream, parsedStatements, submittedNamedStatements } = connection;
    const isPrepared =
      name !== "" &&
      (parsedStatements[name] !== undefined || submittedNamedStatements[name] !== undefined);
    if (isPrepared) {
      stream.write(bindAndExecute(name, this.values));
      return null;
    }
    stream.cork();
    connection.parse({ name, text });
    if (name !== "") submittedNamedStatements[name] = text;
    stream.write(bindAndExecute(name, this.values));
    stream.uncork();
    return null;
  }

  readonly #onDataRow = (bytes: Buffer, start: number, end: number): void => {
    if (this.#failure !== undefined) return;
    try {
      row.reset(bytes, start, end);
      this.#found.push(this.#read(row));
    } catch (error) {
      this.#failure = error;
    }
  };

  handleReadyForQuery(): void {
    this.#end();
    if (this.#failure === undefined) this.#resolve(this.#found);
    else this.#reject(this.#failure);
  }

  handleError(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  handleRowDescription(): void {}

  handleDataRow(): void {}

  handleCommandComplete(): void {}

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: DriverConnection): void {
    connection.sendCopyFail("there is nothing to copy");
  }

  handleCopyData(): void {}

  #end(): void {
    if (this.#rows?.onDataRow === this.#onDataRow) this.#rows.onDataRow = undefined;
    this.#rows = undefined;
  }
}

/** Messages of PostgreSQL's protocol: Bind of the values, as text, and what follows in one buffer. */
function bindAndExecute(name: string, values: readonly string[]): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const valueBytes = values.map((value) => Buffer.byteLength(value));
  const bindBytes =
    BIND_BYTES + nameBytes + valueBytes.reduce((sum, length) => sum + 4 + length, 0);
  const bytes = Buffer.alloc(bindBytes + EXECUTE_AND_SYNC.length);
  bytes[0] = BIND;
  // The unnamed portal has an empty name, whose only byte is the end of the string.
  let at = bytes.writeInt32BE(bindBytes - 1, 1) + 1;
  at += bytes.write(name, at) + 1;
  // No formats: all values are text.
  at = bytes.writeInt16BE(0, at);
  at = bytes.writeInt16BE(values.length, at);
  for (const [index, value] of values.entries()) {
    at = bytes.writeInt32BE(valueBytes[index] as number, at);
    at += bytes.write(value, at);
  }
  at = bytes.writeInt16BE(1, at);
  at = bytes.writeInt16BE(BINARY_FORMAT, at);
  EXECUTE_AND_SYNC.copy(bytes, at);
  return bytes;
}
