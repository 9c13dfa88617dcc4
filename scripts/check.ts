/** Runs every check of the sources that needs no test run, and reports all failures. */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);

interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

function git(...args: readonly string[]): string | undefined {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    // There is no such revision, or no git at all.
    return undefined;
  }
}

interface Baseline {
  readonly name: string;
  readonly commit: string;
}

/**
 * What the contract must stay compatible with: the last release, or main while there is none.
 * Undefined outside a repository.
 */
function baseline(): Baseline | undefined {
  const release = git("describe", "--tags", "--match", "v*", "--abbrev=0");
  for (const name of release === undefined ? ["origin/main", "main"] : [release]) {
    const commit = git("rev-parse", "--verify", "--quiet", `${name}^{commit}`);
    if (commit !== undefined) return { name, commit };
  }
  return undefined;
}

const checks: Check[] = [
  { name: "types", command: [bin("tsc"), "-p", "tsconfig.json"] },
  { name: "lint and format", command: [bin("biome"), "check", "--error-on-warnings", "."] },
  {
    name: "dependencies between folders",
    command: [
      bin("depcruise"),
      ...["--config", ".dependency-cruiser.mjs", "src", "packages", "clients/typescript/src"],
    ],
  },
  { name: "contract lint", command: [bin("buf"), "lint"] },
  { name: "contract format", command: [bin("buf"), "format", "--diff", "--exit-code"] },
  {
    name: "generated code in step",
    command: [process.execPath, "scripts/generate.ts", "--check"],
  },
  {
    name: "configuration documentation in step",
    command: [process.execPath, "scripts/configuration-docs.ts", "--check"],
  },
  {
    name: "table of metrics in step",
    command: [process.execPath, "scripts/metrics-docs.ts", "--check"],
  },
  {
    name: "reference of the contract in step",
    command: [process.execPath, "scripts/reference.ts", "--check"],
  },
  {
    name: "behaviours in step",
    command: [process.execPath, "scripts/behaviours.ts", "--check"],
  },
  {
    name: "plain manifests in step",
    command: [process.execPath, "scripts/manifests.ts", "--check"],
  },
];

const base = baseline();
if (base === undefined) {
  console.log("contract compatibility: not checked, there is neither a release nor a main branch");
} else {
  checks.push({
    name: `contract compatibility with ${base.name}`,
    command: [bin("buf"), "breaking", "--against", `.git#ref=${base.commit}`],
  });
}

const failed = checks.filter(({ name, command }) => {
  const [program, ...args] = command;
  const { status, error } = spawnSync(program as string, args, { cwd: root, stdio: "inherit" });
  console.log(
    `${status === 0 ? "ok     " : "FAILED "} ${name}${error ? `: ${error.message}` : ""}`,
  );
  return status !== 0;
});
process.exitCode = failed.length === 0 ? 0 : 1;
