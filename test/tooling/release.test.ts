import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";

const script = join(import.meta.dirname, "..", "..", "scripts", "release.ts");

const CHANGELOG = `# Changelog

## Unreleased

### Added

- Costs $& and $1.

## 0.9.0 - 2026-01-01

- Old.
`;

describe("npm run release", () => {
  let directory: string;

  const file = (name: string) => join(directory, name);
  const read = (name: string) => readFileSync(file(name), "utf8");
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: directory, encoding: "utf8", stdio: "pipe" }).trim();
  const state = () => git("rev-parse", "HEAD") + git("tag") + git("status", "--porcelain");

  function release(...args: string[]) {
    return spawnSync(process.execPath, [script, ...args], { cwd: directory, encoding: "utf8" });
  }

  function refuses(args: string[], reason: RegExp) {
    const before = state();
    const { status, stderr } = release(...args);
    expect(stderr).to.match(reason);
    expect(status).to.equal(1);
    expect(state()).to.equal(before);
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "sessiond-release-"));
    const version = { version: "0.9.0" };
    writeFileSync(
      file("package.json"),
      '{\n  "name": "x",\n  "version": "0.9.0",\n  "a": ["b"]\n}\n',
    );
    writeFileSync(
      file("package-lock.json"),
      JSON.stringify({ ...version, packages: { "": version, "node_modules/y": version } }),
    );
    writeFileSync(file("CHANGELOG.md"), CHANGELOG);
    git("init", "--quiet", "--initial-branch", "main");
    git("config", "user.name", "Test");
    git("config", "user.email", "test@example.invalid");
    git("config", "commit.gpgsign", "false");
    git("config", "tag.gpgsign", "false");
    git("add", ".");
    git("commit", "--quiet", "--message", "Begin");
    git("tag", "v0.9.0");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("sets the version, dates the changelog, commits and tags, and says what to push", () => {
    const { status, stdout, stderr } = release("minor");
    expect(stderr).to.equal("");
    expect(status).to.equal(0);
    expect(stdout).to.include("git push --atomic origin main v0.10.0");

    expect(read("package.json")).to.equal(
      '{\n  "name": "x",\n  "version": "0.10.0",\n  "a": ["b"]\n}\n',
    );
    expect(JSON.parse(read("package-lock.json"))).to.deep.equal({
      version: "0.10.0",
      packages: { "": { version: "0.10.0" }, "node_modules/y": { version: "0.9.0" } },
    });
    const [heading = ""] = /^## 0\.10\.0 - \d{4}-\d\d-\d\d$/m.exec(read("CHANGELOG.md")) ?? [];
    expect(read("CHANGELOG.md")).to.equal(
      CHANGELOG.replace("## Unreleased\n", `## Unreleased\n\n${heading}\n`),
    );

    expect(git("log", "-1", "--format=%s")).to.equal("Release 0.10.0");
    expect(git("status", "--porcelain")).to.equal("");
    expect(git("cat-file", "-t", "v0.10.0")).to.equal("tag");
    expect(git("rev-parse", "v0.10.0^{commit}")).to.equal(git("rev-parse", "HEAD"));
    // Nothing new has come under "Unreleased".
    refuses(["patch"], /nothing under "Unreleased"/);
  });

  for (const [requested, version] of [
    ["patch", "0.9.1"],
    ["major", "1.0.0"],
    ["0.9.5", "0.9.5"],
  ] as const) {
    it(`--dry-run ${requested} announces ${version} and changes nothing`, () => {
      const before = state();
      const { status, stdout } = release(requested, "--dry-run");
      expect([status, state()]).to.deep.equal([0, before]);
      expect(stdout).to.include(`tag as v${version}`);
    });
  }

  for (const [args, reason] of [
    [[], /Usage/],
    [["patch", "minor"], /Usage/],
    [["1.0"], /Usage/],
    [["0.8.9"], /0\.8\.9 is older than 0\.9\.0/],
    [["0.9.0"], /there is a tag v0\.9\.0 already/],
  ] as [string[], RegExp][]) {
    it(`refuses the arguments ${JSON.stringify(args)}`, () => refuses(args, reason));
  }

  it("refuses changes without a commit, new files included", () => {
    writeFileSync(file("new"), "");
    refuses(["patch"], /changes without a commit/);
  });

  it("refuses another branch", () => {
    git("switch", "--quiet", "--create", "topic");
    refuses(["patch"], /on main, not on topic/);
  });

  it("leaves all as it was if the commit fails", () => {
    const hook = file(".git/hooks/pre-commit");
    writeFileSync(hook, "#!/bin/sh\nexit 1\n");
    chmodSync(hook, 0o755);
    refuses(["patch"], /No release: .*git commit/);
  });

  it("leaves all as it was if the tag fails", () => {
    git("config", "tag.gpgsign", "true");
    git("config", "gpg.program", "false");
    refuses(["patch"], /No release: .*git tag/);
  });
});
