import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";

const root = join(import.meta.dirname, "..", "..");

describe("the exit status of mocha", () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "sessiond-mocha-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  function mocha(statement: string) {
    const file = join(directory, "a.test.mjs");
    writeFileSync(file, `it("runs", () => {}); it("ends", () => { ${statement} });`);
    // Not as a worker of the run that this test is part of.
    const { MOCHA_WORKER_ID: _, ...env } = process.env;
    const args = ["--require", join(root, "scripts", "mocha-completion.ts"), file];
    const program = join(root, "node_modules", ".bin", "mocha");
    return spawnSync(program, args, { cwd: directory, env, encoding: "utf8" });
  }

  it("is 1 if the process ends by itself before all tests have run", () => {
    expect(mocha("process.exit(0)")).to.include({
      status: 1,
      stderr: "mocha ended before all tests had run\n",
    });
  });

  it("is 0 if all tests have run and passed", () => {
    expect(mocha("")).to.include({ status: 0, stderr: "" });
  });
});
