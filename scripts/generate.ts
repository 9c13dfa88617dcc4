/**
 * Generates gen/ from the .proto files: ours and those that packages ship. TypeScript by default,
 * which needs npm only; with --all also Go, Python, Java and Rust, whose generators are installed with
 * go, pip, Maven and cargo. With --check, fails if what is committed differs from what would be
 * generated.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installGenerators, ToolError } from "./generator-tools.ts";

const root = join(import.meta.dirname, "..");
const buf = join(root, "node_modules", ".bin", "buf");

function run(program: string, args: readonly string[], PATH = process.env.PATH): void {
  execFileSync(program, args, { cwd: root, stdio: "inherit", env: { ...process.env, PATH } });
}

/** Each returns the directories that it has generated, whole. */
function generateTypeScript(output: string): readonly string[] {
  run(buf, ["generate", "--output", output]);
  generateEnvoy(output);
  return ["gen/es"];
}

/** Where the package has the .proto files that those of Envoy import each other from. */
const envoyRoots = [
  "envoy-api/envoy",
  "xds/udpa",
  "xds/xds",
  "protoc-gen-validate/validate",
  "googleapis/google/rpc",
];

/** Packages of options only: rules for proxies written in C++, and the history of the files. */
const envoyAnnotations = [
  "envoy.annotations",
  "udpa.annotations",
  "xds.annotations.v3",
  "validate",
];

/**
 * Adds Envoy's authorization service to gen/es. Its files import each other across several roots, and buf
 * resolves imports within one, so they are copied under one first.
 */
function generateEnvoy(output: string): void {
  const protos = join(output, "envoy-protos");
  for (const directory of envoyRoots) {
    const [, ...path] = directory.split("/");
    const from = join(root, "node_modules/@grpc/grpc-js-xds/deps", directory);
    cpSync(from, join(protos, ...path), { recursive: true });
  }
  run(buf, [
    ...["generate", protos, "--template", "buf.gen.envoy.yaml", "--output", output],
    ...["--path", join(protos, "envoy/service/auth/v3")],
    ...envoyAnnotations.flatMap((name) => ["--exclude-type", name]),
  ]);
}

function generateWithBuf(output: string, path: string): readonly string[] {
  run(buf, ["generate", "--template", "buf.gen.clients.yaml", "--output", output], path);
  return ["gen/go/sessiond", "gen/java", "gen/rust/src/gen"];
}

function generatePython(output: string, path: string, python: string): readonly string[] {
  const out = join(output, "gen/python");
  const image = join(output, "descriptors.binpb");
  run(buf, ["build", "proto", "--output", image]);
  mkdirSync(join(out, "sessiond"), { recursive: true });
  const names = ["error", "options", "session", "session_service"];
  const plugins = ["python", "pyi", "grpc_python", "mypy_grpc"];
  const files = names.map((name) => `sessiond/v1/${name}.proto`);
  const outputs = plugins.map((plugin) => `--${plugin}_out=${out}`);
  run(
    python,
    ["-m", "grpc_tools.protoc", `--descriptor_set_in=${image}`, ...outputs, ...files],
    path,
  );
  // Tells type checkers that the package has types (PEP 561).
  writeFileSync(join(out, "sessiond/v1/py.typed"), "");
  return ["gen/python/sessiond"];
}

function generate(output: string, all: boolean): readonly string[] {
  if (!all) return generateTypeScript(output);
  // First, because it may fail.
  const { path, python } = installGenerators(join(root, ".tools"));
  return [
    ...generateTypeScript(output),
    ...generateWithBuf(output, path),
    ...generatePython(output, path, python),
  ];
}

function replace(output: string, directory: string): void {
  rmSync(join(root, directory), { recursive: true, force: true });
  cpSync(join(output, directory), join(root, directory), { recursive: true });
}

function isInStep(output: string, directory: string): boolean {
  if (!existsSync(join(root, directory))) return false;
  try {
    run("diff", ["-r", "-x", "__pycache__", join(output, directory), join(root, directory)]);
    return true;
  } catch {
    return false;
  }
}

const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});
const output = mkdtempSync(join(tmpdir(), "sessiond-gen-"));
try {
  const directories = generate(output, values.all);
  if (!values.check) for (const directory of directories) replace(output, directory);
  const different = directories.filter((directory) => !isInStep(output, directory));
  if (different.length > 0) {
    const command = `npm run generate${values.all ? " -- --all" : ""}`;
    console.error(`not what the .proto files make of it: ${different.join(", ")}; run ${command}`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  console.error(`generate: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(output, { recursive: true, force: true });
}
