import {
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import type { CallOptions, Transport } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import type { Environment } from "../config/env-reader.ts";
import { type Connection, type ConnectionOptions, openConnection } from "./connection.ts";
import { CallError } from "./failure.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";
import { type Column, formatFields, Table, type TableOptions, visible } from "./table.ts";

/** The options that every command has. */
export interface GlobalOptions extends ConnectionOptions {
  readonly json?: boolean;
  /** False with --no-color. */
  readonly color: boolean;
  readonly quiet?: boolean;
}

/** What commands need of the process. */
export interface Host {
  readonly version: string;
  readonly env: Environment;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Serves until the process is to stop. */
  serve(): Promise<void>;
  openLog(config: Config): Promise<Logger>;
  /** The message of an error, with advice where there is some. */
  explain(error: unknown): string;
}

/** Some of a list, in the order of the whole. */
export type Pages<Row> = AsyncIterable<readonly Row[]>;

/** What the commands share: their options, outputs and the connection to the service. */
export class Cli implements Disposable {
  readonly host: Host;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Fires when the command is interrupted. */
  readonly signal: AbortSignal;
  readonly #options: () => GlobalOptions;
  #connection: Connection | undefined;

  /** @param options those of the command line, after it was parsed */
  constructor(
    host: Host,
    outputs: { readonly stdout: Output; readonly stderr: Output },
    signal: AbortSignal,
    options: () => GlobalOptions,
  ) {
    this.host = host;
    this.stdout = outputs.stdout;
    this.stderr = outputs.stderr;
    this.signal = signal;
    this.#options = options;
  }

  get options(): GlobalOptions {
    return this.#options();
  }

  get isJson(): boolean {
    return this.options.json === true;
  }

  get actingActorId(): string {
    return this.#connect().actingActorId;
  }

  get address(): string {
    return this.#connect().address;
  }

  /** For services besides sessiond's own, such as health: without credentials. */
  healthTransport(): Transport {
    return this.#connect().transport();
  }

  /** @throws {CallError} */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: Pick<CallOptions, "timeoutMs"> = {},
  ): Promise<MessageShape<O>> {
    const { client, address } = this.#connect();
    const call = Reflect.get(client, method.localName) as (
      request: MessageInitShape<I>,
      options: CallOptions,
    ) => Promise<MessageShape<O>>;
    try {
      return await call(request, { ...options, signal: this.signal });
    } catch (error) {
      this.signal.throwIfAborted();
      throw new CallError(method, address, error);
    }
  }

  #connect(): Connection {
    this.#connection ??= openConnection(this.host.env, this.options);
    return this.#connection;
  }

  progress(): Progress {
    const { quiet = false } = this.options;
    return new Progress(this.stderr, { clock: () => performance.now(), quiet });
  }

  /** A note for people on standard error, besides the result: one line, which may have what others have chosen. */
  async note(text: string): Promise<void> {
    if (this.options.quiet !== true) await this.stderr.write(`${visible(text)}\n`);
  }

  /** Writes one thing: a JSON object, or lines of a name and a value. */
  async printFields(
    json: () => string,
    fields: readonly (readonly [name: string, value: string])[],
  ): Promise<void> {
    if (this.isJson) await this.stdout.writeJson(`${json()}\n`);
    else await this.stdout.write(formatFields(fields, this.#tableOptions()));
  }

  /** Writes a list as it comes: JSON Lines, or a table. */
  async printRows<Row>(
    pages: Pages<Row>,
    columns: readonly Column<Row>[],
    json: (row: Row) => string,
    ifEmpty: string,
  ): Promise<void> {
    const table = new Table(columns, this.#tableOptions());
    let isEmpty = true;
    for await (const rows of pages) {
      if (rows.length === 0) continue;
      isEmpty = false;
      if (this.isJson) await this.stdout.writeJson(rows.map((row) => `${json(row)}\n`).join(""));
      else await this.stdout.write(table.format(rows));
    }
    if (isEmpty && !this.isJson) await this.note(ifEmpty);
  }

  /** The same for messages. */
  async printMessages<D extends DescMessage>(
    schema: D,
    pages: Pages<MessageShape<D>>,
    columns: readonly Column<MessageShape<D>>[],
    ifEmpty: string,
  ): Promise<void> {
    await this.printRows(pages, columns, (message) => toJsonString(schema, message), ifEmpty);
  }

  #tableOptions(): TableOptions {
    const { columns, hasColors } = this.stdout.options;
    return { width: columns(), hasColors: hasColors && this.options.color };
  }

  [Symbol.dispose](): void {
    this.#connection?.client.close();
  }
}

/**
 * The pages of a list, up to a number of items.
 *
 * @param fetch gets the page with a token, "" for the first one, and of a size
 */
export async function* pagesUpTo<Row>(
  limit: number,
  fetch: (
    pageToken: string,
    pageSize: number,
  ) => Promise<{ readonly items: readonly Row[]; readonly nextPageToken: string }>,
): AsyncGenerator<readonly Row[]> {
  let pageToken = "";
  for (let left = limit; left > 0; ) {
    const { items, nextPageToken } = await fetch(pageToken, Math.min(left, MAX_PAGE_SIZE));
    yield items;
    left -= items.length;
    pageToken = nextPageToken;
    if (pageToken === "") return;
  }
}

export const MAX_PAGE_SIZE = 200;
