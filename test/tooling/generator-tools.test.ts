import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { installGenerators, ToolError } from "../../scripts/generator-tools.ts";

describe("installing the generators", () => {
  const { PATH } = process.env;
  const directory = mkdtempSync(join(tmpdir(), "sessiond-generators-"));
  after(() => {
    process.env.PATH = PATH;
    rmSync(directory, { recursive: true });
  });

  it("names all package managers that are missing, and installs nothing", () => {
    process.env.PATH = directory;

    expect(() => installGenerators(directory)).to.throw(
      ToolError,
      /^not on PATH: go \(Go\), cargo \(Rust\), python3 \(Python\), mvn \(Java\)$/,
    );
    expect(readdirSync(directory)).to.deep.equal([]);
  });
});
