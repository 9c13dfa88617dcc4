/**
 * Makes a release: `npm run release -- <patch|minor|major|x.y.z> [--dry-run]`. Sets the version in
 * package.json and package-lock.json, gives what is unreleased in CHANGELOG.md its version and date,
 * commits, and tags. Pushes nothing. If a step fails, the repository is as it was before.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const USAGE = "Usage: npm run release -- <patch|minor|major|x.y.z> [--dry-run]";

/** Why there is no release, in words that need no stack trace. */
class ReleaseError extends Error {}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
}

type Version = readonly [major: number, minor: number, patch: number];

function parseVersion(text: string): Version | undefined {
  const parts = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(text)?.slice(1).map(Number);
  return parts as Version | undefined;
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** A version that is named may be the current one: the first release has it already. */
function nextVersion(currentText: string, requested: string): string {
  const current = parseVersion(currentText);
  if (current === undefined) throw new ReleaseError(`${currentText} in package.json is not x.y.z`);
  const [major, minor, patch] = current;
  if (requested === "major") return `${major + 1}.0.0`;
  if (requested === "minor") return `${major}.${minor + 1}.0`;
  if (requested === "patch") return `${major}.${minor}.${patch + 1}`;
  const next = parseVersion(requested);
  if (next === undefined) throw new ReleaseError(USAGE);
  if (compare(next, current) < 0)
    throw new ReleaseError(`${requested} is older than ${currentText}`);
  return requested;
}

/** The changelog with an empty "Unreleased" above the release. */
function releaseChangelog(changelog: string, heading: string): string {
  const unreleased = "## Unreleased\n";
  const sections = changelog.split(/^(?=## )/m);
  const index = sections.findIndex((section) => section.startsWith(unreleased));
  const content = sections[index]?.slice(unreleased.length) ?? "";
  const isEmpty = content.split("\n").every((line) => line.trim() === "" || line.startsWith("#"));
  if (isEmpty) throw new ReleaseError('there is nothing under "Unreleased" in CHANGELOG.md');
  return sections.with(index, `${unreleased}\n## ${heading}\n${content}`).join("");
}

function setVersion(packageJson: string, version: string): string {
  return packageJson.replace(/^( {2}"version": )"[^"]*"/m, `$1"${version}"`);
}

function setLockedVersion(packageLock: string, version: string): string {
  const lock = JSON.parse(packageLock);
  lock.version = version;
  lock.packages[""].version = version;
  return `${JSON.stringify(lock, null, 2)}\n`;
}

function release(requested: string, dryRun: boolean): void {
  process.chdir(git("rev-parse", "--show-toplevel"));
  const branch = git("branch", "--show-current");
  if (branch !== "main") {
    throw new ReleaseError(`releases are made on main, not on ${branch || "a detached HEAD"}`);
  }
  if (git("status", "--porcelain") !== "")
    throw new ReleaseError("there are changes without a commit");

  const read = (file: string) => readFileSync(file, "utf8");
  const version = nextVersion(JSON.parse(read("package.json")).version, requested);
  const tag = `v${version}`;
  if (git("tag", "--list", tag) !== "") throw new ReleaseError(`there is a tag ${tag} already`);
  const heading = `${version} - ${new Date().toISOString().slice(0, 10)}`;
  const files = {
    "package.json": setVersion(read("package.json"), version),
    "package-lock.json": setLockedVersion(read("package-lock.json"), version),
    "CHANGELOG.md": releaseChangelog(read("CHANGELOG.md"), heading),
  };
  const message = `Release ${version}`;
  if (dryRun) {
    console.log(`Would write ${Object.keys(files).join(", ")} for ${heading},`);
    console.log(`commit as "${message}", and tag as ${tag}.`);
    return;
  }

  const before = git("rev-parse", "HEAD");
  try {
    for (const [file, content] of Object.entries(files)) writeFileSync(file, content);
    git("commit", "--quiet", "--all", "--message", message);
    git("tag", "--annotate", tag, "--message", message);
  } catch (error) {
    // Nothing else is lost: there were no changes without a commit.
    git("reset", "--quiet", "--hard", before);
    throw error;
  }
  console.log(`Made ${tag}. To publish it:\n\n  git push --atomic origin main ${tag}`);
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false } },
  });
  const [requested, ...others] = positionals;
  if (requested === undefined || others.length > 0) throw new ReleaseError(USAGE);
  release(requested, values["dry-run"]);
} catch (error) {
  console.error(error instanceof Error ? `No release: ${error.message}` : error);
  process.exitCode = 1;
}
