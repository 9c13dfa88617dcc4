import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  SessionService,
  ValidateRequestSchema,
  ValidateResponseSchema,
} from "../gen/es/sessiond/v1/session_service_pb.ts";
import packageJson from "../package.json" with { type: "json" };
import type { SessionId } from "../src/session/ids.ts";
import { ROOT, type RunningServer, type ServerCommand } from "./child.ts";
import type { Context } from "./context.ts";
import { type Credentials, createCredentials } from "./credentials.ts";
import { checkpoint, connectSql, createSchema, type Sql } from "./database.ts";
import {
  type SessionRequest,
  writeCreateRequests,
  writeExpressRequests,
  writeSessionRequests,
} from "./requests.ts";
import { seedExpressSessions, seedSessions } from "./seed.ts";
import { createServerTls, type ServerTls } from "./tls.ts";

/** The options of Node that `npm start` has. */
const START_OPTIONS = packageJson.scripts.start.split(" ").filter((word) => word.startsWith("--"));

/** A database with live sessions, and what is needed to call a sessiond that uses it. */
export interface Fixture {
  readonly url: string;
  /** The number of live sessions. */
  readonly count: number;
  readonly sql: Sql;
  readonly credentials: Credentials;
  readonly directory: string;
  /** A recorded ValidateResponse, for the systems with a constant response. */
  readonly answerFile: string;
  /** The command that starts sessiond with this database. */
  sessiond(env?: Readonly<Record<string, string>>): ServerCommand;
  /** A certificate for sessiond. It is made at the first call. */
  tls(): ServerTls;
  /** The file with requests of this kind. It is written at the first call. */
  requests(kind: SessionRequest | "create" | "express"): Promise<string>;
}

/** @param root the checkout of the sessiond that makes the schema and uses it; this one by default */
export async function createFixture(
  context: Context,
  count: number,
  root = ROOT,
): Promise<Fixture> {
  const { progress, server, stack, signal } = context;
  const url = await server.createDatabase();
  const sql = await connectSql(url);
  stack.defer(() => sql.close());
  if (root === ROOT) await createSchema(url);
  else await createSchemaOf(context, root, url, sql);
  const credentials = await createCredentials(sql);
  await progress.phase(`${count} live sessions`, (report) =>
    seedSessions(sql, count, report, signal),
  );

  const directory = join(context.directory, new URL(url).pathname.slice(1));
  await mkdir(directory);
  const source = { sql, credentials, count, directory };
  const files = new Map<string, Promise<string>>();
  const write = (kind: SessionRequest | "create" | "express"): Promise<string> =>
    progress.phase(`requests: ${kind}`, async (report) => {
      if (kind === "create") return writeCreateRequests(directory);
      if (kind !== "express") return writeSessionRequests(kind, source, report);
      await seedExpressSessions(sql, count, report, signal);
      return writeExpressRequests(source, report);
    });

  let tls: ServerTls | undefined;
  const fixture: Fixture = {
    url,
    count,
    sql,
    credentials,
    directory,
    answerFile: join(directory, "answer.bin"),
    sessiond: (env = {}) => ({
      script: join(root, "src/main.ts"),
      nodeArguments: START_OPTIONS,
      env: {
        SESSIOND_DATABASE_URL: url,
        SESSIOND_KEY_ENCRYPTION_KEYS: credentials.keyEncryptionKeys,
        SESSIOND_PORT: "0",
        SESSIOND_LOG_LEVEL: "warn",
        SESSIOND_SWEEP_SCHEDULE: "off",
        ...env,
      },
    }),
    tls() {
      tls ??= createServerTls(directory);
      return tls;
    },
    requests(kind) {
      let file = files.get(kind);
      if (file === undefined) {
        file = write(kind);
        files.set(kind, file);
      }
      return file;
    },
  };
  await progress.phase("a first call", () => recordAnswer(context, fixture));
  await checkpoint(sql);
  return fixture;
}

/** Lets the sessiond of another checkout make its schema. Its signing key is removed. */
async function createSchemaOf(context: Context, root: string, url: string, sql: Sql) {
  const env = {
    SESSIOND_DATABASE_URL: url,
    SESSIOND_KEY_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    SESSIOND_PORT: "0",
    SESSIOND_LOG_LEVEL: "warn",
  };
  await context.withServer({ script: join(root, "src/main.ts"), env }, async () => {});
  await sql("DELETE FROM signing_keys");
}

/** Records the response of sessiond for one of the sessions. Fails if its cookie is not valid. */
async function recordAnswer(context: Context, fixture: Fixture): Promise<void> {
  const { sql, credentials, answerFile } = fixture;
  const [row] = await sql("SELECT id FROM sessions LIMIT 1");
  const value = credentials.cookieOf(row?.id as SessionId);
  await context.withServer(fixture.sessiond(), async (server) => {
    const request = create(ValidateRequestSchema, { credential: { case: "cookie", value } });
    const response = await clientOf(server).validate(request);
    await writeFile(answerFile, toBinary(ValidateResponseSchema, response));
  });
}

export function clientOf(server: RunningServer) {
  return createClient(SessionService, createGrpcTransport({ baseUrl: server.url }));
}
