import { randomInt } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  CreateRequestSchema,
  RevokeRequestSchema,
  TouchRequestSchema,
  ValidateCsrfRequestSchema,
  ValidateRequestSchema,
} from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { SessionId } from "../src/session/ids.ts";
import { type Credentials, csrfTokenOf, expressCookie } from "./credentials.ts";
import type { Sql } from "./database.ts";
import { SEEDED_APP, USER_AGENT } from "./seed.ts";

const FLUSH_BYTES = 1024 * 1024;
const BATCH = 50_000;
const CREATE_REQUESTS = 200_000;
/** More requests do not fit into the memory of a small machine, next to the server. */
const MAX_REQUESTS = 1_000_000;

/** For whom the tokens are that requests ask for. */
export const BENCH_AUDIENCE = "bench";

/** Requests that name a session by its cookie. */
export const SESSION_REQUESTS = {
  validate: (cookie) =>
    toBinary(
      ValidateRequestSchema,
      create(ValidateRequestSchema, { credential: { case: "cookie", value: cookie } }),
    ),
  validateTouch: (cookie) =>
    toBinary(
      ValidateRequestSchema,
      create(ValidateRequestSchema, { credential: { case: "cookie", value: cookie }, touch: true }),
    ),
  validateForToken: (cookie) =>
    toBinary(
      ValidateRequestSchema,
      create(ValidateRequestSchema, {
        credential: { case: "cookie", value: cookie },
        tokenAudience: BENCH_AUDIENCE,
      }),
    ),
  validateCsrf: (cookie, id) =>
    toBinary(
      ValidateCsrfRequestSchema,
      create(ValidateCsrfRequestSchema, { session: byCookie(cookie), csrfToken: csrfTokenOf(id) }),
    ),
  touch: (cookie) =>
    toBinary(TouchRequestSchema, create(TouchRequestSchema, { session: byCookie(cookie) })),
  revoke: (cookie) =>
    toBinary(RevokeRequestSchema, create(RevokeRequestSchema, { session: byCookie(cookie) })),
} as const satisfies Record<string, (cookie: string, id: SessionId) => Uint8Array>;

export type SessionRequest = keyof typeof SESSION_REQUESTS;

function byCookie(cookie: string) {
  return { ref: { case: "cookie", value: cookie } } as const;
}

/** Writes items in the format of the load generator: each is preceded by its length in four bytes. */
class RequestWriter {
  readonly #file: FileHandle;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<RequestWriter> {
    return new RequestWriter(await open(path, "w", 0o600));
  }

  async add(item: Uint8Array): Promise<void> {
    const framed = Buffer.allocUnsafe(4 + item.length);
    framed.writeUInt32BE(item.length);
    framed.set(item, 4);
    this.#pending.push(framed);
    this.#pendingBytes += framed.length;
    if (this.#pendingBytes >= FLUSH_BYTES) await this.#flush();
  }

  async close(): Promise<void> {
    await this.#flush();
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    await this.#file.write(Buffer.concat(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/** The values of a column of all rows, or of a random sample of about MAX_REQUESTS rows. */
async function* column(
  sql: Sql,
  table: string,
  name: string,
  count: number,
): AsyncGenerator<string[]> {
  const percent = Math.min(100, (MAX_REQUESTS / count) * 100);
  await sql("BEGIN");
  try {
    await sql(
      `DECLARE names CURSOR FOR
       SELECT ${name} AS name FROM ${table} TABLESAMPLE BERNOULLI (${percent})`,
    );
    for (;;) {
      const rows = await sql(`FETCH ${BATCH} FROM names`);
      if (rows.length === 0) break;
      yield rows.map((row) => row.name as string);
    }
  } finally {
    await sql("ROLLBACK");
  }
}

export interface RequestSource {
  readonly sql: Sql;
  readonly credentials: Credentials;
  readonly count: number;
  /** The directory of the files. */
  readonly directory: string;
}

/** Writes a request for each seeded session. Returns the path of the file. */
export async function writeSessionRequests(
  kind: SessionRequest,
  { sql, credentials, count, directory }: RequestSource,
  report: (state: string) => void,
): Promise<string> {
  const path = join(directory, `${kind}.requests`);
  const writer = await RequestWriter.open(path);
  let written = 0;
  for await (const ids of column(sql, "sessions", "id", count)) {
    for (const id of ids as SessionId[]) {
      await writer.add(SESSION_REQUESTS[kind](credentials.cookieOf(id), id));
    }
    written += ids.length;
    report(`${written} requests`);
  }
  await writer.close();
  return path;
}

/** Writes a request for each of these sessions, in this order. */
export async function writeRequestsFor(
  kind: SessionRequest,
  ids: readonly string[],
  path: string,
  credentials: Credentials,
): Promise<string> {
  const writer = await RequestWriter.open(path);
  for (const id of ids as readonly SessionId[]) {
    await writer.add(SESSION_REQUESTS[kind](credentials.cookieOf(id), id));
  }
  await writer.close();
  return path;
}

/** Writes the Cookie headers of all sessions of connect-pg-simple's table. */
export async function writeExpressRequests(
  { sql, count, directory }: RequestSource,
  report: (state: string) => void,
): Promise<string> {
  const path = join(directory, "express.requests");
  const writer = await RequestWriter.open(path);
  let written = 0;
  for await (const sids of column(sql, "session", "sid", count)) {
    for (const sid of sids) await writer.add(Buffer.from(expressCookie(sid)));
    written += sids.length;
    report(`${written} requests`);
  }
  await writer.close();
  return path;
}

/** Writes Create requests for random actors, most of which have no session yet. */
export async function writeCreateRequests(directory: string): Promise<string> {
  const path = join(directory, "create.requests");
  const writer = await RequestWriter.open(path);
  for (let number = 0; number < CREATE_REQUESTS; number += 1) {
    const request = create(CreateRequestSchema, {
      actor: { actorType: "user", actorId: `user-${randomInt(2 ** 40)}` },
      appType: SEEDED_APP,
      ipAddress: `198.51.100.${number % 250}`,
      userAgent: USER_AGENT,
      metadata: { theme: "dark" },
    });
    await writer.add(toBinary(CreateRequestSchema, request));
  }
  await writer.close();
  return path;
}
