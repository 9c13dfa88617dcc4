import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../packages/embedded-postgres/index.ts";
import { newToken, tokenLine } from "../../test/support/callers.ts";
import type { TestDatabase } from "../../test/support/database.ts";
import { startDatabaseProxy } from "../../test/support/database-proxy.ts";
import { PAGE_ORIGIN } from "./page-origin.ts";

const ROOT = join(import.meta.dirname, "../..");

const certificate = (name: string) => join(import.meta.dirname, "certificates", name);

/** What all clients are tested against: one database and four replicas of sessiond. */
export interface SessiondServers {
  readonly sessiond: string;
  /** With TLS, and a certificate of `ca`. */
  readonly tls: string;
  /** Reaches the database through `database`. */
  readonly replica: string;
  /** Authenticates its callers, and allows an actor 10 live sessions. */
  readonly callers: { readonly url: string; readonly tokens: CallerTokens };
  /** The path of the certificate authority's PEM file. */
  readonly ca: string;
  readonly database: { refuse(): void; restore(): void };
  /** Runs SQL as an operator would with psql. */
  readonly sql: TestDatabase["sql"];
}

type CallerTokens = Readonly<
  Record<"validatorToken" | "issuerToken" | "adminToken" | "greenToken", string>
>;

/** Starts a PostgreSQL and the replicas; whatever has been started is on the stack. */
export async function startSessiondServers(stack: AsyncDisposableStack): Promise<SessiondServers> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-clients-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  // PostgreSQL does not run as root: its user must be able to enter.
  await chmod(directory, 0o755);
  const postgres = await startEmbeddedPostgres({
    dataDirectory: join(directory, "data"),
    ephemeral: true,
  });
  stack.defer(() => postgres.stop());
  const pool = new pg.Pool({ connectionString: postgres.url, max: 4 });
  pool.on("error", () => {});
  stack.defer(() => pool.end());
  const databaseProxy = await startDatabaseProxy(postgres.url);
  stack.defer(() => databaseProxy.close());

  const keys = randomBytes(32).toString("base64");
  const start = (env: Record<string, string>) =>
    startSessiond(stack, {
      SESSIOND_KEY_ENCRYPTION_KEYS: keys,
      SESSIOND_ALLOWED_ORIGINS: PAGE_ORIGIN,
      ...env,
    });
  // The first one migrates the database.
  const sessiond = await start({ SESSIOND_DATABASE_URL: postgres.url });
  const tokens = {
    validatorToken: newToken(),
    issuerToken: newToken(),
    adminToken: newToken(),
    greenToken: newToken(),
  };
  const callersFile = join(directory, "callers.jsonl");
  const lines = [
    tokenLine(tokens.validatorToken, { name: "gateway", role: "validator" }),
    tokenLine(tokens.issuerToken, { name: "web", role: "issuer" }),
    tokenLine(tokens.adminToken, { name: "ops", role: "admin" }),
    tokenLine(tokens.greenToken, { name: "shop", role: "issuer", tenants: ["green"] }),
  ];
  await writeFile(callersFile, lines.join("\n"));
  const [tls, replica, callers] = await Promise.all([
    start({
      SESSIOND_DATABASE_URL: postgres.url,
      SESSIOND_TLS_CERT_FILE: certificate("server.pem"),
      SESSIOND_TLS_KEY_FILE: certificate("server-key.pem"),
    }),
    start({ SESSIOND_DATABASE_URL: databaseProxy.url }),
    start({
      SESSIOND_DATABASE_URL: postgres.url,
      SESSIOND_CALLERS_FILE: callersFile,
      SESSIOND_MAX_SESSIONS_PER_ACTOR: "10",
      SESSIOND_SESSION_LIMIT_POLICY: "reject",
    }),
  ]);
  return {
    sessiond,
    tls,
    replica,
    callers: { url: callers, tokens },
    ca: certificate("ca.pem"),
    database: databaseProxy,
    async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const { rows } = await pool.query<Row>(text, [...values]);
      return rows;
    },
  };
}

/** Starts a process of sessiond and waits for its URL. */
async function startSessiond(
  stack: AsyncDisposableStack,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, SESSIOND_PORT: "0", SESSIOND_SWEEP_SCHEDULE: "off", ...settings };
  const main = join(ROOT, "bin/sessiond.js");
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"] });
  stack.defer(() => end(child));
  let said = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-10_000);
      const url = / listens on (https?:\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
  }
  child.once("exit", (code, signal) => {
    reject(new Error(`sessiond ended with ${code ?? signal}:\n${said}`));
  });
  return promise;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
