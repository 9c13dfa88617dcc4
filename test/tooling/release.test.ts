import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";

const script = join(import.meta.dirname, "..", "..", "scripts", "release.ts");

const CHANGELOG = `# Changelog

## Unreleased

### Added

- Costs $& and $1.

## 0.9.0 - 2026-01-01

- Old.
`;

/** The manifests of clients with the version 0.9.0, and more of that name that must stay. */
const CLIENTS: Readonly<Record<string, string>> = {
  "clients/typescript/package.json": `{
  "name": "sessiond-client",
  "version": "0.9.0",
  "dependencies": {
    "version": "0.9.0"
  }
}
`,
  "clients/python/pyproject.toml": `[project]
name = "sessiond-client"
version = "0.9.0"
dependencies = ["other==0.9.0"]
`,
  "clients/java/pom.xml": `<project>
  <parent><groupId>other</groupId><artifactId>other</artifactId><version>0.9.0</version></parent>
  <groupId>io.github.sessiond</groupId>
  <artifactId>sessiond-parent</artifactId>
  <version>0.9.0</version>
</project>
`,
  "clients/java/sessiond-servlet/pom.xml": `<project>
  <parent>
    <groupId>io.github.sessiond</groupId>
    <artifactId>sessiond-parent</artifactId>
    <version>0.9.0</version>
  </parent>
  <dependency>
    <groupId>io.github.sessiond</groupId>
    <artifactId>sessiond-client</artifactId>
    <version>\${project.version}</version>
  </dependency>
</project>
`,
  "gen/rust/Cargo.toml": `[package]
name = "sessiond-proto"
version = "0.9.0"
`,
  "clients/rust/Cargo.toml": `[package]
name = "sessiond-client"
version = "0.9.0"

[dependencies]
sessiond-proto = { path = "../../gen/rust", version = "0.9.0" }
other = "0.9.0"
`,
  "clients/rust/Cargo.lock": `[[package]]
name = "other"
version = "0.9.0"

[[package]]
name = "sessiond-proto"
version = "0.9.0"
`,
  "gen/go/go.mod": "module github.com/sessiond/sessiond/gen/go\n",
  "clients/go/go.mod": `module github.com/sessiond/sessiond/clients/go

require (
	example.org/other v0.9.0
	github.com/sessiond/sessiond/gen/go v0.9.0
)
`,
  "docs/clients/all.md": `go get github.com/sessiond/sessiond/clients/go@v0.9.0
sessiond-client = { version = "0.9.0", features = ["axum"] }
Since 0.9.0.
`,
};

describe("npm run release", () => {
  let directory: string;

  const file = (name: string) => join(directory, name);
  const write = (name: string, content: string) => {
    mkdirSync(dirname(file(name)), { recursive: true });
    writeFileSync(file(name), content);
  };
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

  describe("with clients", () => {
    beforeEach(() => {
      for (const [name, content] of Object.entries(CLIENTS)) write(name, content);
      git("add", ".");
      git("commit", "--quiet", "--message", "Add clients");
    });

    it("sets the version of each package and of what they require of each other, nothing else", () => {
      expect(release("minor").status).to.equal(0);
      const changes = git("show", "--unified=0", "--format=", "--", ...Object.keys(CLIENTS));
      const added = changes.split("\n").filter((line) => /^\+(?!\+\+)/.test(line));
      expect(added).to.deep.equal([
        "+    github.com/sessiond/sessiond/gen/go v0.10.0".replace("    ", "\t"),
        "+  <version>0.10.0</version>",
        "+    <version>0.10.0</version>",
        '+version = "0.10.0"',
        '+version = "0.10.0"',
        '+version = "0.10.0"',
        '+sessiond-proto = { path = "../../gen/rust", version = "0.10.0" }',
        '+  "version": "0.10.0",',
        "+go get github.com/sessiond/sessiond/clients/go@v0.10.0",
        '+sessiond-client = { version = "0.10.0", features = ["axum"] }',
        '+version = "0.10.0"',
      ]);
      expect(git("diff", "--name-only", "HEAD~1")).to.include(
        "clients/java/sessiond-servlet/pom.xml",
      );
    });

    it("tags the Go modules, as the go command looks for them", () => {
      const { stdout } = release("0.9.1");
      const tags = ["v0.9.1", "gen/go/v0.9.1", "clients/go/v0.9.1"];
      expect(stdout).to.include(`git push --atomic origin main ${tags.join(" ")}`);
      for (const tag of tags) {
        expect(git("rev-parse", `${tag}^{commit}`)).to.equal(git("rev-parse", "HEAD"));
      }
    });

    it("leaves all as it was if there is one of the tags already", () => {
      git("tag", "clients/go/v0.9.1");
      refuses(["0.9.1"], /there is a tag clients\/go\/v0\.9\.1 already/);
    });

    it("leaves all as it was if a later tag fails", () => {
      // A tag cannot be a directory of tags.
      git("tag", "clients");
      refuses(["0.9.1"], /No release: .*git tag/);
    });

    it("refuses version 2 while the paths of the Go modules are those of version 1", () => {
      refuses(["2.0.0"], /the module path \S+\/gen\/go in gen\/go must end in \/v2/);
    });
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
    [["patch", "--only", "go"], /Usage/],
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
