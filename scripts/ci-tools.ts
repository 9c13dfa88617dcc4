/**
 * Installs Go programs that checks of the deployment need into .tools/ci-tools/, at exactly these versions:
 * `npm run ci-tools` all of them, `npm run ci-tools -- helm` some. Needs Go. Not into .tools/bin, which
 * belongs to the generators and is emptied when theirs change.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { delimiter, join } from "node:path";

/** By the program's name, as `go install` takes them. */
export const CI_TOOLS: Readonly<Record<string, string>> = {
  helm: "helm.sh/helm/v4/cmd/helm@v4.3.1",
  kubeconform: "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
};

const directory = join(import.meta.dirname, "..", ".tools", "ci-tools");

/** Where a program of this version is installed. */
function installedPath(name: string): string {
  const version = CI_TOOLS[name]?.split("@")[1];
  return join(directory, `${name}-${version}`);
}

/** The program at the version of the table, or else that of PATH. Undefined if there is neither. */
export function ciTool(name: string): string | undefined {
  const installed = installedPath(name);
  if (existsSync(installed)) return installed;
  const paths = (process.env.PATH ?? "").split(delimiter).map((path) => join(path, name));
  return paths.find((path) => existsSync(path));
}

/** @throws {Error} if Go is missing or fails */
function install(name: string): void {
  const target = installedPath(name);
  if (existsSync(target)) return;
  mkdirSync(directory, { recursive: true });
  console.log(`go install ${CI_TOOLS[name]}`);
  const env = { ...process.env, GOBIN: directory };
  const { status, error } = spawnSync("go", ["install", CI_TOOLS[name] as string], {
    env,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`${name}: ${error?.message ?? `go ended with ${status}`}`);
  renameSync(join(directory, name), target);
}

/** Installs those programs that are not there yet, by default all of the table. */
export function installCiTools(names: readonly string[] = Object.keys(CI_TOOLS)): void {
  for (const name of names) install(name);
}

if (import.meta.main) {
  const chosen = process.argv.slice(2);
  const unknown = chosen.filter((name) => !(name in CI_TOOLS));
  if (unknown.length > 0) {
    const known = Object.keys(CI_TOOLS).join(", ");
    console.error(`ci-tools: there is no ${unknown.join(", ")}; there are ${known}`);
    process.exitCode = 2;
  } else {
    installCiTools(chosen.length > 0 ? chosen : undefined);
  }
}
