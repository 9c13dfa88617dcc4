import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };

const read = (file: string) => readFileSync(join(import.meta.dirname, "../..", file), "utf8");

/** Names and versions, as the package managers of all languages write them: `name@1.2.3` and so on. */
function pinsIn(text: string): Map<string, string> {
  const pins = text.matchAll(/([@\w./:-]*[a-z])(?:@v?|==|:)(\d+(?:\.\d+)+)/g);
  return new Map([...pins].map(([, name = "", version = ""]) => [name, version]));
}

describe("docs/generate.md", () => {
  it("installs the generators at the versions that generate gen/", () => {
    const known = pinsIn(read("scripts/generator-tools.ts"));
    for (const [name, version] of Object.entries(packageJson.devDependencies)) {
      known.set(name, version);
    }
    for (const [name, version] of Object.entries(packageJson.dependencies)) {
      known.set(name, version);
    }
    // Go's programs are named with the module's path, Maven's plugin by its goal.
    const pins = pinsIn(read("docs/generate.md"));
    expect([...pins.keys()]).to.include.members(["grpcio-tools", "protoc-gen-prost"]);
    expect(pins.size).to.be.at.least(11);
    for (const [name, version] of pins) {
      expect([name, version]).to.deep.equal([name, known.get(name)]);
    }
  });
});
