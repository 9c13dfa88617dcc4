import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };
import { GO_MODULES } from "../../scripts/release/packages.ts";
import { trackedFiles, versionsIn, withVersion } from "../../scripts/release/versions.ts";

const root = join(import.meta.dirname, "..", "..");
const { version } = packageJson;
const read = (file: string) => readFileSync(join(root, file), "utf8");

describe("the version", () => {
  // Those of conformance runners and examples are not published.
  const unpublished = /(^|\/)(conformance|examples|tests?)\/|^packages\/|^deploy\/check\//;
  const files = trackedFiles(root).filter(
    (file) => /^(clients|deploy|docs|gen)\/|^package/.test(file) && !unpublished.test(file),
  );

  it("is the same in the manifests of all packages, in lock files and on pages", () => {
    const isManifest =
      /(^|\/)(package(-lock)?\.json|pyproject\.toml|pom\.xml|Cargo\.toml|Chart\.yaml)$/;
    for (const file of files) {
      const versions = versionsIn(file, read(file));
      if (isManifest.test(file)) expect(versions, file).not.to.deep.equal([]);
      expect(new Set([version, ...versions]), file).to.have.length(1);
    }
  });

  it("is nowhere that npm run release does not set it", () => {
    const literal = version.replaceAll(".", String.raw`\.`);
    const stated = new RegExp(
      `^.*(?:sessiond|version).*(?<![\\w.])v?${literal}(?![\\w.]).*$`,
      "gim",
    );
    const isLock = /(^|\/)(package-lock\.json|Cargo\.lock|go\.sum|requirements[\w.-]*\.txt)$/;
    const left = files
      .filter((file) => !isLock.test(file))
      .flatMap((file) => withVersion(file, read(file), "99.0.0").match(stated) ?? []);
    expect(left, "add a place to scripts/release/versions.ts").to.deep.equal([]);
  });
});

describe("the Go modules", () => {
  it("that are published are all those with a path of the project", () => {
    const modules = trackedFiles(root).filter((file) => /(^|\/)go\.mod$/.test(file));
    const published = modules.filter((file) => /^module github\.com\/sessiond\//.test(read(file)));
    expect(GO_MODULES).to.include.members(published.map((file) => dirname(file)));
  });
});

describe("the license", () => {
  it("is the same in each package", () => {
    const licenses = trackedFiles(root).filter((file) => /(^|\/)LICENSE$/.test(file));
    for (const file of licenses) expect(read(file), file).to.equal(read("LICENSE"));
  });
});
