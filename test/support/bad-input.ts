import { once } from "node:events";
import http2 from "node:http2";
import { expect } from "chai";
import type { Reason } from "../../src/session/errors.ts";
import { type SessionClient, startTestApp, type TestApp } from "./app.ts";
import type { TestDatabase } from "./database.ts";
import { expectFailure } from "./expect-failure.ts";

export interface BadInputApp extends TestApp {
  /** Lines of the log that tell of a defect or of an outage. */
  readonly errors: readonly string[];
}

/** Starts sessiond without the audit of denials, so that a refused request changes no row at all. */
export async function startBadInputApp(env: Record<string, string> = {}): Promise<BadInputApp> {
  const errors: string[] = [];
  const app = await startTestApp({
    env: { SESSIOND_AUDIT_REFUSALS: "false", ...env },
    onLog: (line) => {
      if ((JSON.parse(line) as { level: number }).level >= 50) errors.push(line);
    },
  });
  return { ...app, errors };
}

/** As `startBadInputApp` for the tests of a suite, with a plain HTTP/2 connection to it. */
export function useBadInputConnection() {
  let app: BadInputApp;
  let connection: http2.ClientHttp2Session;

  before(async () => {
    app = await startBadInputApp();
    connection = http2.connect(app.url);
    await once(connection, "connect");
  });
  after(async () => {
    connection?.destroy();
    await app.stop();
  });

  return {
    get app() {
      return app;
    },
    get connection() {
      return connection;
    },
  };
}

const TABLES = ["sessions", "signing_keys", "audit_events"] as const;

/** A checksum of every row of every table. */
export async function checksum(sql: TestDatabase["sql"]): Promise<Record<string, string>> {
  const sums = TABLES.map(
    (table) => `(SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM ${table} t) AS ${table}`,
  );
  const [row] = await sql<Record<string, string>>(`SELECT ${sums.join(", ")}`);
  return row as Record<string, string>;
}

/** Runs something that must neither change a row nor be logged as a failure of ours. */
export async function withoutTrace<T>(app: BadInputApp, work: () => Promise<T>): Promise<T> {
  const before = await checksum(app.sql);
  const logged = app.errors.length;
  const result = await work();
  expect(await checksum(app.sql), "no row has changed").to.deep.equal(before);
  expect(app.errors.slice(logged), "nothing of it is our failure").to.deep.equal([]);
  return result;
}

export interface BadInput {
  readonly what: string;
  readonly call: (client: SessionClient) => Promise<unknown>;
  /** The field that is wrong, for INVALID_REQUEST. */
  readonly field?: string;
  readonly reason?: Reason;
  /** The whole message: it says what would be right. */
  readonly message: string;
}

/** A test for each row: it is refused as the row says, and nothing has happened. */
export function itRefuses(app: () => BadInputApp, rows: readonly BadInput[]): void {
  for (const { what, call, field, reason = "INVALID_REQUEST", message } of rows) {
    it(`${what} is refused with ${reason}`, async () => {
      const options = field === undefined ? {} : { field };
      const error = await withoutTrace(app(), () =>
        expectFailure(call(app().client), reason, options),
      );
      expect(error.rawMessage).to.equal(message);
    });
  }
}
