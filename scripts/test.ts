/**
 * Runs the tests against a PostgreSQL: the one that SESSIOND_TEST_DATABASE_URL names (its user
 * must be allowed to create databases), else one that is started for this run and thrown away.
 * Arguments go to mocha; without any, all tests run, the coverage of src is reported, and a branch
 * of the rules that no test reaches fails the run.
 * Exits with 1 if a test fails, if no test ran, or if mocha ended before all of them had run.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { createDataSource } from "../src/storage/data-source.ts";
import { migrate } from "../src/storage/schema/migrate.ts";

/** More than cores: the tests mostly wait, for the database and for each other's locks. */
const JOBS = "4";

interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

async function startServer(): Promise<TestServer> {
  const given = process.env.SESSIOND_TEST_DATABASE_URL;
  if (given !== undefined) return { url: given, stop: async () => {} };
  const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-test-"));
  const postgres = await startEmbeddedPostgres({
    dataDirectory,
    ephemeral: true,
    // Test files run in parallel, each with replicas and pools of its own.
    settings: { max_connections: "500" },
  });
  return {
    url: postgres.url,
    async stop() {
      await postgres.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function createTemplate(serverUrl: string): Promise<string> {
  const name = `template_${randomBytes(6).toString("hex")}`;
  await withClient(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const dataSource = createDataSource({
    url: url.href,
    poolSize: 1,
    connectTimeoutMs: 5000,
    onPoolError: (error) => console.error(error),
  });
  await dataSource.initialize();
  await migrate(dataSource);
  await dataSource.destroy();
  return name;
}

function run(command: readonly string[], env: Record<string, string>): Promise<number> {
  const [program, ...args] = command;
  const child = spawn(program as string, args, {
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  // The terminal sends SIGINT to the tests, too. This process waits for them and then cleans up.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** Reports the coverage of src, and fails if the rules are not covered whole. */
async function runAll(env: Record<string, string>): Promise<number> {
  // The packages' tests take the longest, so they start first.
  const files = [
    "packages/*/test/**/*.test.ts",
    "clients/*/test/**/*.test.ts",
    "test/**/*.test.ts",
  ];
  const status = await run([bin("c8"), ...mocha, "--parallel", "--jobs", JOBS, ...files], env);
  if (status !== 0) return status;
  return run([bin("c8"), "check-coverage", "--include", "src/session/**", "--100"], {});
}

const args = process.argv.slice(2);
const bin = (name: string) => join(import.meta.dirname, "..", "node_modules", ".bin", name);
const completion = join(import.meta.dirname, "mocha-completion.ts");
const mocha = [bin("mocha"), "--require", completion, "--fail-zero", ...args];
const server = await startServer();
try {
  const template = await createTemplate(server.url);
  try {
    const env = { SESSIOND_TEST_SERVER_URL: server.url, SESSIOND_TEST_TEMPLATE: template };
    process.exitCode = args.length > 0 ? await run(mocha, env) : await runAll(env);
  } finally {
    await withClient(server.url, (client) => client.query(`DROP DATABASE ${template}`));
  }
} finally {
  await server.stop();
}
