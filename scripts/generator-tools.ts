/**
 * Installs the generators of the languages other than TypeScript into .tools/, at exactly these
 * versions, with each language's own package manager: go, cargo, pip and Maven.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";

const GO_PLUGINS = [
  "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
  "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
  "connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1",
];

const CARGO_PLUGINS = ["protoc-gen-prost@0.5.0", "protoc-gen-tonic@0.5.0"];

const PYTHON_PACKAGES = [
  "grpcio==1.85.1",
  "grpcio-tools==1.85.1",
  "mypy-protobuf==5.1.0",
  "protobuf==7.36.2",
  "types-protobuf==7.35.1.20260906",
];

// The same release of Protocol Buffers as in grpcio-tools.
const PROTOC = "com.google.protobuf:protoc:4.35.1";
// Newer releases of grpc-java have no plugin in Maven's repository; its code works with them.
const GRPC_JAVA_PLUGIN = "io.grpc:protoc-gen-grpc-java:1.83.0";
const MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy";

/** The package managers, and the languages whose generators they install. */
const PACKAGE_MANAGERS = { go: "Go", cargo: "Rust", python3: "Python", mvn: "Java" };

/** Before anything is installed, because that takes minutes. */
function checkPackageManagers(): void {
  const missing = Object.entries(PACKAGE_MANAGERS)
    .filter(([program]) => spawnSync(program, ["--version"]).error !== undefined)
    .map(([program, language]) => `${program} (${language})`);
  if (missing.length > 0) throw new ToolError(`not on PATH: ${missing.join(", ")}`);
}

/** Maven's names for what Node calls platform and architecture. */
function mavenClassifier(): string {
  const systems: Record<string, string> = { linux: "linux", darwin: "osx", win32: "windows" };
  const architectures: Record<string, string> = { x64: "x86_64", arm64: "aarch_64" };
  const system = systems[process.platform];
  const architecture = architectures[process.arch];
  if (system === undefined || architecture === undefined) {
    throw new ToolError(`there is no protoc for ${process.platform} on ${process.arch}`);
  }
  return `${system}-${architecture}`;
}

/** An error whose message is enough, without a stack trace. */
export class ToolError extends Error {}

function run(command: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const [program = "", ...args] = command;
  const { error, status } = spawnSync(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) {
    throw new ToolError(`${command.join(" ")}: ${error?.message ?? `exit status ${status}`}`);
  }
}

interface Generators {
  /** PATH with all generators before everything else. */
  readonly path: string;
  /** A Python that has grpcio-tools. */
  readonly python: string;
}

/** The directories of an installation of Python and Cargo. */
const executables = process.platform === "win32" ? "Scripts" : "bin";

/**
 * Installs what is not installed yet.
 *
 * @param directory where to; other scripts may keep other things there
 * @throws {ToolError} if package managers are missing, naming all, or if one fails
 */
export function installGenerators(directory: string): Generators {
  const bin = join(directory, "bin");
  const python = join(directory, "python");
  const extension = process.platform === "win32" ? ".exe" : "";
  const pins = JSON.stringify([
    GO_PLUGINS,
    CARGO_PLUGINS,
    PYTHON_PACKAGES,
    PROTOC,
    GRPC_JAVA_PLUGIN,
  ]);
  const stamp = join(directory, "versions.sha256");
  const version = createHash("sha256").update(pins).digest("hex");
  const generators = {
    path: [bin, join(python, executables), process.env.PATH].join(delimiter),
    python: join(python, executables, `python${extension}`),
  };
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === version) return generators;

  checkPackageManagers();
  // Cargo would not install what its own lists have.
  const cargoLists = [".crates.toml", ".crates2.json"].map((file) => join(directory, file));
  for (const installed of [stamp, bin, python, ...cargoLists]) {
    rmSync(installed, { recursive: true, force: true });
  }
  mkdirSync(bin, { recursive: true });
  for (const plugin of GO_PLUGINS) run(["go", "install", plugin], { GOBIN: bin });
  // Not optimized: that would take longer than all that they do.
  const cargo = ["cargo", "install", "--quiet", "--locked", "--debug"];
  run([...cargo, "--root", directory, ...CARGO_PLUGINS]);
  run(["python3", "-m", "venv", python]);
  run([generators.python, "-m", "pip", "install", "--quiet", ...PYTHON_PACKAGES]);
  for (const artifact of [PROTOC, GRPC_JAVA_PLUGIN]) {
    const [, name = ""] = artifact.split(":");
    run([
      ...["mvn", "--quiet", "--batch-mode", MAVEN_COPY, "-Dmdep.stripVersion"],
      ...["-Dmdep.stripClassifier", `-DoutputDirectory=${bin}`],
      `-Dartifact=${artifact}:exe:${mavenClassifier()}`,
    ]);
    const [downloaded, program] = [join(bin, `${name}.exe`), join(bin, `${name}${extension}`)];
    chmodSync(downloaded, 0o755);
    if (downloaded !== program) renameSync(downloaded, program);
  }
  writeFileSync(stamp, version);
  return generators;
}
