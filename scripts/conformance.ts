/**
 * Runs the public Connect conformance suite against our server: over HTTP/1.1 and HTTP/2, with TLS and
 * without. Go builds the suite once, into the user's cache. The suite's .proto files come from the same
 * Go module, so that this repository has no copy. With --stock, Connect's own adapter is tested instead,
 * for comparison. Other arguments go to the suite, such as -v, --trace or --run PATTERN.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { isWholeRun, type Served, sumByTransport } from "../test/conformance/served.ts";

const suiteModule = "connectrpc.com/conformance";
const suiteVersion = "v1.0.6";

/** Far more than a run takes: the suite has no limit of its own if a server stops reading. */
const timeLimitMs = 10 * 60_000;

const root = join(import.meta.dirname, "..");
const inTests = (name: string) => join(root, "test", "conformance", name);

/** An error whose message is enough, without a stack trace. */
class ConformanceError extends Error {}

function run(program: string, args: readonly string[], env: Record<string, string> = {}): string {
  const { error, status, stdout } = spawnSync(program, args, {
    // Not inside a Go module, which would influence the versions.
    cwd: tmpdir(),
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error !== undefined && "code" in error && error.code === "ENOENT") {
    throw new ConformanceError(
      `${program} is not on PATH; the conformance suite is built with Go 1.26`,
    );
  }
  if (error !== undefined || status !== 0) {
    const reason = error?.message ?? `exit status ${status}`;
    throw new ConformanceError(`${program} ${args.join(" ")}: ${reason}`);
  }
  return stdout;
}

/** Builds the suite's program unless it is in the cache. Returns its path. */
function installSuite(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const directory = join(cache, "sessiond", `connectconformance-${suiteVersion}`);
  const program = join(directory, "connectconformance");
  if (!existsSync(program)) {
    mkdirSync(directory, { recursive: true });
    const target = `${suiteModule}/cmd/connectconformance@${suiteVersion}`;
    run("go", ["install", target], { GOBIN: directory });
  }
  return program;
}

/** Compiles the .proto files in the suite's Go module to descriptors. */
function compileProtos(output: string): void {
  const module = run("go", ["mod", "download", "-json", `${suiteModule}@${suiteVersion}`]);
  const { Dir } = JSON.parse(module) as { Dir: string };
  const buf = join(root, "node_modules", ".bin", "buf");
  run(buf, ["build", join(Dir, "proto"), "--as-file-descriptor-set", "--output", output]);
}

/** Runs the suite, shows its output, and resolves with its exit status and output. */
async function runSuite(program: string, args: readonly string[]) {
  // In its own process group: when the suite is killed, its servers keep running.
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const timer = setTimeout(() => {
    console.error(`the suite has not ended after ${timeLimitMs / 60_000} minutes`);
    end();
  }, timeLimitMs);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", reject);
  child.once("close", (status) => resolve(status ?? 1));
  try {
    return { status: await promise, output };
  } finally {
    clearTimeout(timer);
  }
}

function readServed(file: string): Served[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Served);
}

async function main(args: readonly string[]): Promise<number> {
  const stock = args.includes("--stock");
  const directory = mkdtempSync(join(tmpdir(), "sessiond-conformance-"));
  try {
    const descriptors = join(directory, "descriptors.binpb");
    const program = installSuite();
    compileProtos(descriptors);
    const { status, output } = await runSuite(program, [
      ...["--mode", "server", "--conf", inTests("config.yaml")],
      ...(stock
        ? ["--skip", `@${inTests("stock-skipped.txt")}`]
        : ["--known-failing", `@${inTests("known-failing.txt")}`]),
      ...args.filter((arg) => arg !== "--stock"),
      ...["--", process.execPath, inTests("server.ts"), descriptors],
      ...(stock ? ["--stock"] : []),
    ]);
    // The suite exits with 0 even if it could not run some of the cases.
    const complete = /^\d+ passed, /m.test(output) && !/Another \d+ could not be run/.test(output);
    if (status !== 0 || !complete) return status || 1;
    if (stock || args.includes("--run")) return 0;
    const sums = sumByTransport(readServed(`${descriptors}.served`));
    for (const { httpVersion, tls, unaryCalls, fastPathCalls } of sums) {
      const transport = `HTTP/${httpVersion} ${tls ? "with" : "without"} TLS`;
      console.log(`${transport}: ${unaryCalls} unary calls, ${fastPathCalls} on the fast path`);
    }
    return isWholeRun(sums) ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ConformanceError)) throw error;
  console.error(`conformance: ${error.message}`);
  process.exitCode = 1;
}
