/**
 * Makes a release: `npm run release -- <patch|minor|major|x.y.z> [--dry-run]`. Sets the version
 * wherever it is written, gives what is unreleased in CHANGELOG.md its version and date, commits, and
 * tags. Pushes nothing. If a step fails, the repository is as it was before.
 *
 * `npm run release -- --dry-run` builds the packages of all languages into release/, as they would be
 * published now, and checks their content. With `--only go,rust`, those of some languages.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildPackages, GO_MODULES } from "./release/packages.ts";
import { filesWithVersion } from "./release/versions.ts";

const USAGE = `Usage: npm run release -- <patch|minor|major|x.y.z> [--dry-run]
       npm run release -- --dry-run [--only <languages>]`;

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

/** The directories of the Go modules that the repository has. */
function goModules(): string[] {
  return GO_MODULES.filter((directory) => git("ls-files", `${directory}/go.mod`) !== "");
}

/** Go wants the major version in a module's path, from 2 on. */
function checkGoModules(modules: readonly string[], version: string): void {
  const major = Number.parseInt(version, 10);
  for (const directory of modules) {
    const [, path = ""] =
      /^module (\S+)$/m.exec(readFileSync(join(directory, "go.mod"), "utf8")) ?? [];
    if (major >= 2 && !path.endsWith(`/v${major}`)) {
      throw new ReleaseError(`the module path ${path} in ${directory} must end in /v${major}`);
    }
  }
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
  const modules = goModules();
  checkGoModules(modules, version);
  // The go command finds the version of a module in a tag with the module's directory.
  const tags = ["", ...modules.map((directory) => `${directory}/`)].map(
    (prefix) => `${prefix}v${version}`,
  );
  for (const tag of tags) {
    if (git("tag", "--list", tag) !== "") throw new ReleaseError(`there is a tag ${tag} already`);
  }
  const heading = `${version} - ${new Date().toISOString().slice(0, 10)}`;
  const files = filesWithVersion(".", version);
  files.set("CHANGELOG.md", releaseChangelog(read("CHANGELOG.md"), heading));
  const message = `Release ${version}`;
  if (dryRun) {
    console.log(`Would write ${[...files.keys()].join(", ")} for ${heading},`);
    console.log(`commit as "${message}", and tag as ${tags.join(", ")}.`);
    return;
  }

  const before = git("rev-parse", "HEAD");
  const made: string[] = [];
  try {
    for (const [file, content] of files) writeFileSync(file, content);
    git("commit", "--quiet", "--all", "--message", message);
    for (const tag of tags) {
      git("tag", "--annotate", tag, "--message", message);
      made.push(tag);
    }
  } catch (error) {
    if (made.length > 0) git("tag", "--delete", ...made);
    // Nothing else is lost: there were no changes without a commit.
    git("reset", "--quiet", "--hard", before);
    throw error;
  }
  const refs = tags.join(" ");
  console.log(`Made ${refs}. To publish it:\n\n  git push --atomic origin main ${refs}`);
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false }, only: { type: "string" } },
  });
  const [requested, ...others] = positionals;
  if (others.length > 0) throw new ReleaseError(USAGE);
  if (requested === undefined) {
    if (!values["dry-run"]) throw new ReleaseError(USAGE);
    buildPackages({ only: values.only?.split(",") });
  } else {
    if (values.only !== undefined) throw new ReleaseError(USAGE);
    release(requested, values["dry-run"]);
  }
} catch (error) {
  console.error(error instanceof Error ? `No release: ${error.message}` : error);
  process.exitCode = 1;
}
