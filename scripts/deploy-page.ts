/**
 * Follows docs/deploy.md literally in an empty directory: what it tells without a cluster, a container engine
 * or root. Needs helm and systemd-analyze.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { ciTool } from "./ci-tools.ts";
import { PageError } from "./client-pages/page.ts";
import { type PageResult, runPage } from "./client-pages/run.ts";
import { installNode, ROOT, registryEnv } from "./smoke-test.ts";

/** What the page calls its database's port, sessiond's, and that of the metrics. */
const DATABASE_PORT = "5432";
const SESSIOND_PORT = "8480";
const METRICS_PORT = "9464";

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), "close");
  return port;
}

/** Makes the role and the database that the page begins with. */
async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("CREATE ROLE sessiond LOGIN PASSWORD 'secret'");
    await client.query("CREATE DATABASE sessiond OWNER sessiond");
  } finally {
    await client.end();
  }
}

/** @throws {PageError} with the line of the step that fails */
export async function followDeployPage(): Promise<PageResult> {
  const helm = ciTool("helm");
  if (helm === undefined) throw new PageError("helm is missing: `npm run ci-tools -- helm`");
  const base = await mkdtemp(join(await realpath(tmpdir()), "sessiond-deploy-"));
  try {
    await chmod(base, 0o755);
    const PATH = await installNode(base);
    await symlink(helm, join(base, "bin", "helm"));
    const [directory, scratch] = [join(base, "project"), join(base, "scratch")];
    for (const made of [directory, scratch]) await mkdir(made);
    const postgres = await startEmbeddedPostgres({ dataDirectory: join(base, "data") });
    try {
      await createDatabase(postgres.url);
      const [port, metricsPort] = [await freePort(), await freePort()];
      const ports = {
        [DATABASE_PORT]: postgres.port,
        [SESSIOND_PORT]: port,
        [METRICS_PORT]: metricsPort,
      };
      // The page uses the default port, which may be taken here.
      const env = { ...registryEnv(), PATH, SESSIOND: ROOT, SESSIOND_PORT: String(port) };
      const page = readFileSync(join(ROOT, "docs", "deploy.md"), "utf8");
      const applicationPort = SESSIOND_PORT;
      return await runPage(page, { directory, scratch, env, ports, applicationPort });
    } finally {
      await postgres.stop();
    }
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  try {
    const { commands, files, seconds } = await followDeployPage();
    console.log(`docs/deploy.md: ${commands} commands, ${files} files, ${seconds.toFixed(0)} s`);
  } catch (error) {
    if (!(error instanceof PageError)) throw error;
    console.error(`docs/deploy.md, ${error.message}`);
    process.exitCode = 1;
  }
}
