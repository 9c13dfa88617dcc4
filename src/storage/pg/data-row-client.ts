import pg from "pg";

/** Gets the buffer that has a row, and where the row's fields begin and end. */
export type OnDataRow = (buffer: Buffer, start: number, end: number) => void;

type OnData = (bytes: Buffer) => void;

interface Stream {
  on(event: string, listener: (...args: never[]) => void): unknown;
}

/** What the types of the driver do not declare. */
interface DriverConnection {
  /** Called once, when nothing of the protocol's messages has been received. */
  attachListeners(stream: Stream): void;
}

const DATA_ROW = 0x44;
/** A byte for the type of the message, and four for the length of what follows, these four included. */
const HEADER_BYTES = 5;

/** Splits what the server sends into messages. Rows go to `onDataRow`, if it is set. */
export class DataRows {
  onDataRow: OnDataRow | undefined;
  readonly #toDriver: OnData;
  /** The beginning of a message whose rest has not arrived. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** As far as it is known: the header's length, or else the message's. */
  #messageBytes = 0;

  /** @param toDriver gets all other messages, each of them whole */
  constructor(toDriver: OnData) {
    this.#toDriver = toDriver;
  }

  readonly onData: OnData = (received) => {
    const bytes = this.#joined(received);
    if (bytes === undefined) return;
    let at = 0;
    let passedOn = 0;
    let missing = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) {
        missing = end - at;
        break;
      }
      if (bytes[at] === DATA_ROW && this.onDataRow !== undefined) {
        if (passedOn < at) this.#toDriver(bytes.subarray(passedOn, at));
        passedOn = at;
        // What came before may have ended the query. Then the row is the driver's, which reports it.
        if (this.onDataRow !== undefined) {
          this.onDataRow(bytes, at + HEADER_BYTES, end);
          passedOn = end;
        }
      }
      at = end;
    }
    if (passedOn < at) this.#toDriver(bytes.subarray(passedOn, at));
    if (at < bytes.length) {
      this.#partial = [bytes.subarray(at)];
      this.#partialBytes = bytes.length - at;
      this.#messageBytes = missing;
    }
  };

  /** What arrived before, if anything, with this. Undefined if that is not a whole message yet. */
  #joined(received: Buffer): Buffer | undefined {
    if (this.#partialBytes === 0) return received;
    this.#partial.push(received);
    this.#partialBytes += received.length;
    if (this.#partialBytes < this.#messageBytes) return undefined;
    const joined = Buffer.concat(this.#partial, this.#partialBytes);
    this.#partial = [];
    this.#partialBytes = 0;
    return joined;
  }
}

const dataRowsOf = new WeakMap<object, DataRows>();

/** The rows of a connection; undefined if its client is no DataRowClient. */
export function dataRows(connection: object): DataRows | undefined {
  return dataRowsOf.get(connection);
}

/** The warning of a wait for the standby that was cancelled. Its text is in the server's language. */
function isUnreplicatedCommit(notice: {
  code?: string | undefined;
  routine?: string | undefined;
}): boolean {
  const { code, routine } = notice;
  return code === "01000" && routine === "SyncRepWaitForLSN";
}

/**
 * The driver's client, except that a query may read its rows from the bytes of the protocol
 * (BinaryQuery). The driver itself makes a string of each field, an object of each row, and knows no
 * binary format.
 */
export class DataRowClient extends pg.Client {
  /**
   * Whether a commit was reported although the synchronous standby may not have it: somebody cancelled the
   * wait for it. A failover would lose the change.
   */
  hasUnreplicatedCommit = false;

  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on("notice", (notice) => {
      if (isUnreplicatedCommit(notice)) this.hasUnreplicatedCommit = true;
    });
    const connection = this.connection as unknown as DriverConnection;
    const attachListeners = connection.attachListeners.bind(connection);
    connection.attachListeners = (stream) => {
      const on = (event: string, listener: (...args: never[]) => void) => {
        if (event !== "data") return stream.on(event, listener);
        const rows = new DataRows(listener as OnData);
        dataRowsOf.set(connection, rows);
        return stream.on(event, rows.onData);
      };
      attachListeners({ on });
    };
  }
}
