import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";

const root = join(import.meta.dirname, "../..");
const { start, demo, example } = packageJson.scripts;

/** Makes Node say that it is another version. */
function pretend(version: string): Record<string, string> {
  const code = `
    Object.defineProperty(process, "version", { value: "v${version}" });
    Object.defineProperty(process, "versions", { value: { node: "${version}" } });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
}

function run(command: string, node: string, env: Record<string, string> = {}) {
  const PATH = [join(node, ".."), process.env.PATH].join(delimiter);
  // A start that goes past the check fails, instead of serving.
  const ports = { SESSIOND_PORT: "none", PORT: "none" };
  const options = { cwd: root, env: { PATH, ...ports, ...env }, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], options);
  return { status, stdout, stderr };
}

function refusalOf(version: string) {
  const stderr =
    `sessiond needs Node 24.14.1 or newer, this is v${version}: install it, or run ` +
    "`npm ci` with the development dependencies, which bring their own\n";
  return { status: 1, stdout: "", stderr };
}

/** A Node on PATH that is too old, such as the system's. */
function findOldNode() {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory, "node");
    if (!existsSync(path)) continue;
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    const [, version = "", major = ""] = /^v((\d+)\.\S+)/.exec(stdout) ?? [];
    if (Number(major) < 24) return { path, version };
  }
  return undefined;
}

describe("the version of Node", () => {
  const sessiond = useSessiond();
  const oldNode = findOldNode();

  for (const command of [start, demo, example]) {
    it(`is checked by ${command}`, () => {
      expect(run(command, process.execPath, pretend("22.22.0"))).to.deep.equal(
        refusalOf("22.22.0"),
      );
    });

    // Reported as pending where no old Node is installed: there is nothing to run it on.
    (oldNode === undefined ? it.skip : it)(`is checked by ${command} on an old Node, too`, () => {
      const { path = "", version = "" } = oldNode ?? {};
      expect(run(command, path)).to.deep.equal(refusalOf(version));
    });
  }

  it("is 24.14.1 at least", () => {
    const printVersion = `${start} --version`;
    for (const version of ["24.9.2", "24.14.0"]) {
      expect(run(printVersion, process.execPath, pretend(version))).to.deep.equal(
        refusalOf(version),
      );
    }
    for (const version of ["24.14.1", "24.15.0", "25.0.0"]) {
      const { status, stdout } = run(printVersion, process.execPath, pretend(version));
      expect({ status, stdout }).to.deep.equal({ status: 0, stdout: `${packageJson.version}\n` });
    }
  });

  it("does not stand between the process and its signals and exit codes", async () => {
    const script = "bin/sessiond.js";
    const serving = await sessiond.serve({ script, env: databaseEnv(await sessiond.database()) });
    const { code, signal } = await serving.end("SIGTERM");
    expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
    expect((await sessiond.run({ script, args: ["--port"] })).code).to.equal(2);
  });
});
