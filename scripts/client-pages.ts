/**
 * Follows the pages of docs/clients/, and docs/generate.md, literally: in an empty directory with an
 * empty home, against a sessiond of this checkout with an embedded PostgreSQL. `npm run client-pages`
 * does all of them, `npm run client-pages -- go python` some. Builds the packages that the pages
 * install first, or with `--no-build` uses those in release/.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { PageError } from "./client-pages/page.ts";
import { type PageResult, runPage } from "./client-pages/run.ts";
import { buildPackages, LANGUAGES, missingPrograms, PackageError } from "./release/packages.ts";

const root = join(import.meta.dirname, "..");
/** What the toolchains download and compile, kept for the next run. */
const caches = join(root, ".tools", "client-pages");

const SESSIOND_PORT = "8480";
const APPLICATION_PORT = "3000";

const pages: ReadonlyMap<string, string> = new Map(
  [...globSync("docs/clients/*.md", { cwd: root }).sort(), "docs/generate.md"]
    .filter((path) => existsSync(join(root, path)))
    .map((path) => [basename(path, ".md"), path]),
);

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), "close");
  return port;
}

/**
 * The environment of a new user: this one's without the settings of the project and with an empty
 * home. Toolchains that are installed in the home stay, and so do the caches of downloads.
 */
function environment(home: string): NodeJS.ProcessEnv {
  const isOurs =
    /^(SESSIOND_|NODE_OPTIONS$|NODE_V8_COVERAGE$|INIT_CWD$)|^npm_(?!config_(registry|cache|userconfig)$)/;
  const inherited = Object.entries(process.env).filter(([name]) => !isOurs.test(name));
  const { PATH = "", CARGO_HOME, CARGO_TARGET_DIR, RUSTUP_HOME, PIP_CACHE_DIR } = process.env;
  const path = PATH.split(delimiter).filter((directory) => !directory.includes("node_modules"));
  return {
    ...Object.fromEntries(inherited),
    HOME: home,
    PATH: path.join(delimiter),
    SESSIOND: root,
    CARGO_HOME: CARGO_HOME ?? join(homedir(), ".cargo"),
    RUSTUP_HOME: RUSTUP_HOME ?? join(homedir(), ".rustup"),
    CARGO_TARGET_DIR: CARGO_TARGET_DIR ?? join(caches, "cargo"),
    PIP_CACHE_DIR: PIP_CACHE_DIR ?? join(caches, "pip"),
    GOMODCACHE: join(caches, "go-modules"),
    GOCACHE: join(caches, "go-build"),
    GOFLAGS: "-modcacherw",
    MAVEN_OPTS: `-Dmaven.repo.local=${join(caches, "maven")}`,
  };
}

/** Takes our packages out of the caches, which take them for the same as long as the version is. */
async function forgetOurPackages(): Promise<void> {
  const ours = [
    "maven/io/github/sessiond",
    "go-modules/github.com/sessiond",
    "go-modules/cache/download/github.com/sessiond",
  ];
  for (const path of ours) await rm(join(caches, path), { recursive: true, force: true });
}

interface Sessiond extends AsyncDisposable {
  readonly port: number;
}

async function startSessiond(directory: string): Promise<Sessiond> {
  const port = await freePort();
  const { PATH = "" } = process.env;
  const sessiond = spawn(process.execPath, ["bin/sessiond.js"], {
    cwd: root,
    env: {
      PATH,
      HOME: directory,
      SESSIOND_PORT: String(port),
      SESSIOND_DATA_DIR: join(directory, "data"),
      SESSIOND_COOKIE_SECURE: "false",
      SESSIOND_LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(sessiond, "exit");
  const { promise: serving, resolve, reject } = Promise.withResolvers<void>();
  let output = "";
  sessiond.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (/ listens on /.test(output)) resolve();
  });
  sessiond.once("exit", (code) => reject(new PageError(`sessiond ended with ${code}`)));
  await serving;
  return {
    port,
    async [Symbol.asyncDispose]() {
      sessiond.kill("SIGTERM");
      await exited;
    },
  };
}

async function follow(name: string, path: string, base: string): Promise<PageResult> {
  const [directory, home, scratch] = [`${name}/project`, `${name}/home`, `${name}/scratch`].map(
    (part) => join(base, part),
  ) as [string, string, string];
  for (const made of [directory, home, scratch]) await mkdir(made, { recursive: true });
  const data = await mkdtemp(join(base, "sessiond-"));
  await chmod(data, 0o755);
  await using sessiond = await startSessiond(data);
  return await runPage(readFileSync(join(root, path), "utf8"), {
    directory,
    scratch,
    env: environment(home),
    ports: { [SESSIOND_PORT]: sessiond.port, [APPLICATION_PORT]: await freePort() },
    applicationPort: APPLICATION_PORT,
  });
}

/** The languages whose packages a page installs, or whose toolchains it uses. */
function languagesOf(page: string): readonly string[] {
  return LANGUAGES.includes(page) ? [page] : LANGUAGES;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { build: { type: "boolean", default: true } },
    allowNegative: true,
  });
  const names = positionals.length > 0 ? positionals : [...pages.keys()];
  const unknown = names.filter((name) => !pages.has(name));
  if (unknown.length > 0) {
    throw new PageError(`there is no page ${unknown}; there are ${[...pages.keys()].join(", ")}`);
  }
  const usable = names.filter((name) => {
    const missing = languagesOf(name).flatMap(missingPrograms);
    if (missing.length === 0) return true;
    const message = `${name}: ${missing.join(", ")} not on PATH`;
    if (process.env.REQUIRE_ALL_CLIENTS === "1") throw new PageError(message);
    console.log(`${message}: skipped`);
    return false;
  });
  const packages = usable.filter((name) => LANGUAGES.includes(name));
  if (values.build && packages.length > 0) buildPackages({ only: packages });
  await forgetOurPackages();

  const base = await mkdtemp(join(await realpath(tmpdir()), "sessiond-pages-"));
  await chmod(base, 0o755);
  const results = new Map<string, PageResult>();
  try {
    for (const name of usable) {
      const path = pages.get(name) ?? "";
      console.log(`--- ${path}`);
      try {
        results.set(name, await follow(name, path, base));
      } catch (error) {
        if (!(error instanceof PageError)) throw error;
        console.error(`${path}, ${error.message}`);
        process.exitCode = 1;
      }
    }
  } finally {
    await rm(base, { recursive: true, force: true });
  }
  console.log("\n| page | minutes | commands | files |\n|---|---|---|---|");
  for (const [name, { seconds, commands, files }] of results) {
    console.log(`| ${name} | ${(seconds / 60).toFixed(1)} | ${commands} | ${files} |`);
  }
  console.log(`\n${results.size} passed, ${usable.length - results.size} failed`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof PageError || error instanceof PackageError)) throw error;
  console.error(`client-pages: ${error.message}`);
  process.exitCode = 1;
}
