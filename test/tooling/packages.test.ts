import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { inspectPackage } from "../../scripts/release/contents.ts";
import { buildPackages, PackageError } from "../../scripts/release/packages.ts";

const MANIFEST = '{"version": "1.2.3", "license": "Apache-2.0", "description": "A client."}';

const NPM_PACKAGE: Readonly<Record<string, string>> = {
  "package/package.json": MANIFEST,
  "package/LICENSE": "Apache License",
  "package/README.md": "# A client",
  "package/dist/index.js": "export {};\n",
};

describe("the content of a package", () => {
  let release: string;

  beforeEach(() => {
    release = mkdtempSync(join(tmpdir(), "sessiond-packages-"));
  });
  afterEach(() => rmSync(release, { recursive: true }));

  function inspect(content: Readonly<Record<string, string>>, path = "npm/client-1.2.3.tgz") {
    const directory = join(release, "content");
    for (const [name, text] of Object.entries(content)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    mkdirSync(join(release, dirname(path)), { recursive: true });
    execFileSync("tar", ["-czf", join(release, path), "-C", directory, "."]);
    return inspectPackage(release, path, { version: "1.2.3", root: "/home/someone/sessiond" });
  }

  it("is listed with the size of each file, and is right if it has everything", () => {
    const { files, problems } = inspect(NPM_PACKAGE);
    expect(problems).to.deep.equal([]);
    expect(files).to.deep.include({ path: "package/dist/index.js", size: 11 });
    expect(files).to.have.length(4);
  });

  for (const [path, content, problem] of [
    ["dist/node_modules/x/index.js", "", /is not source/],
    ["target/debug/x", "", /is not source/],
    ["src/__pycache__/x.pyc", "", /is a by-product/],
    [".env", "", /may contain a secret/],
    ["dist/.npmrc", "", /may contain a secret/],
    ["certificates/server.pem", "", /may contain a secret/],
    ["dist/x.js", `-----BEGIN EC PRIVATE KEY-----\n${"MHcCAQEE".repeat(8)}`, /a private key$/],
    ["test/x.js", "", /is a test/],
    ["dist/x.test.js", "", /is a test/],
    ["conformance/runner.js", "", /is a test/],
    ["dist/x.js.map", '"/home/someone/sessiond/src/x.ts"', /the path \/home\/someone\/sessiond$/],
    ["dist/x.js.map", `"${homedir()}/x.ts"`, /contains the path/],
  ] as const) {
    it(`must not have ${path}${content && ` with ${content.slice(0, 30)}`}`, () => {
      const { problems } = inspect({ ...NPM_PACKAGE, [`package/${path}`]: content });
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(problem).and.to.include(`package/${path}`);
    });
  }

  for (const name of ["package.json", "LICENSE", "README.md"]) {
    it(`must have ${name}`, () => {
      const { [`package/${name}`]: _, ...rest } = NPM_PACKAGE;
      const { problems } = inspect(rest);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(/^no file matches /);
    });
  }

  for (const [what, from, to] of [
    ["another version", "1.2.3", "1.2.4"],
    ["another license", "Apache-2.0", "UNLICENSED"],
    ["no description", "A client.", ""],
  ] as const) {
    it(`must not have metadata with ${what}`, () => {
      const manifest = { "package/package.json": MANIFEST.replace(from, to) };
      const { problems } = inspect({ ...NPM_PACKAGE, ...manifest });
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(/^package\/package\.json has nothing like /);
    });
  }

  it("must be of a known kind", () => {
    expect(inspect(NPM_PACKAGE, "other/x.tgz").problems).to.deep.equal(["is of no known kind"]);
  });
});

describe("building packages without a toolchain", () => {
  let output: string;
  let environment: NodeJS.ProcessEnv;

  beforeEach(() => {
    output = mkdtempSync(join(tmpdir(), "sessiond-packages-"));
    environment = { ...process.env };
    process.env.PATH = output;
  });
  afterEach(() => {
    process.env = environment;
    rmSync(output, { recursive: true });
  });

  function build(only: readonly string[]): string[] {
    const lines: string[] = [];
    buildPackages({ only, output, log: (line) => lines.push(line) });
    return lines;
  }

  it("skips the language and says so", () => {
    delete process.env.REQUIRE_ALL_CLIENTS;
    const lines = build(["go", "rust"]);
    expect(lines.slice(0, 2)).to.deep.equal([
      "go: go is not on PATH: skipped",
      "rust: cargo is not on PATH: skipped",
    ]);
  });

  it("fails with REQUIRE_ALL_CLIENTS=1, and names every program that is missing", () => {
    process.env.REQUIRE_ALL_CLIENTS = "1";
    expect(() => build(["go", "java"])).to.throw(
      PackageError,
      "go: go is not on PATH\njava: mvn and java are not on PATH",
    );
  });

  it("refuses a language that it does not know, and says which ones there are", () => {
    expect(() => build(["cobol"])).to.throw(
      PackageError,
      "cobol; there are for typescript, go, python, java, rust",
    );
  });
});
