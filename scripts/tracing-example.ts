/**
 * Runs sessiond with the SDK of examples/tracing against a real OpenTelemetry Collector: from the
 * sources, with several workers, and from the bundle of the npm package. Installs the SDK, and compiles the
 * Collector into .tools, which takes some minutes the first time. `--prepare` does only that.
 *
 * Without Go nothing is run, or it fails with REQUIRE_OTELCOL=1.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findProgram } from "../test/support/programs.ts";
import { COLLECTOR, COLLECTOR_DIRECTORY } from "../test/tracing/collector.ts";

/** Of the same version as the modules in collector-builder.yaml. */
const BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.161.0";

const root = join(import.meta.dirname, "..");
const example = join(root, "examples/tracing");

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function run(command: readonly string[], { cwd = root, env = {} }: RunOptions = {}): void {
  const [program = "", ...args] = command;
  const { status, error } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  if (status !== 0) {
    throw new Error(`${command.join(" ")}: ${error?.message ?? `exit status ${status}`}`);
  }
}

/** Does the work unless it was done with the same text before. */
function once(text: string, stamp: string, product: string, work: () => void): void {
  const isDone = existsSync(product) && existsSync(stamp) && readFileSync(stamp, "utf8") === text;
  if (isDone) return;
  work();
  writeFileSync(stamp, text);
}

function installSdk(): void {
  const lock = readFileSync(join(example, "package-lock.json"), "utf8");
  const modules = join(example, "node_modules");
  once(lock, join(modules, ".installed"), modules, () => run(["npm", "ci"], { cwd: example }));
}

function buildCollector(): void {
  const config = join(example, "collector-builder.yaml");
  const text = `${BUILDER}\n${readFileSync(config, "utf8")}`;
  mkdirSync(COLLECTOR_DIRECTORY, { recursive: true });
  once(text, join(COLLECTOR_DIRECTORY, "built"), COLLECTOR, () => {
    run(["go", "install", BUILDER], { env: { GOBIN: COLLECTOR_DIRECTORY } });
    run([join(COLLECTOR_DIRECTORY, "builder"), "--config", config], { cwd: COLLECTOR_DIRECTORY });
  });
}

const { values } = parseArgs({ options: { prepare: { type: "boolean" } } });

if (findProgram("go") === undefined) {
  console.log("There is no Go to compile the OpenTelemetry Collector with.");
  if (process.env.REQUIRE_OTELCOL === "1") process.exitCode = 1;
} else {
  installSdk();
  buildCollector();
  if (values.prepare !== true) {
    run([process.execPath, "scripts/build.ts"]);
    run([process.execPath, "scripts/test.ts", "test/tracing/collector.test.ts"], {
      env: { REQUIRE_OTELCOL: "1" },
    });
  }
}
