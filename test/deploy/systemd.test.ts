import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };
import { loadCliConfig } from "../../src/config/cli-config.ts";
import { findProgram } from "../support/programs.ts";
import { configurationOf, ROOT } from "./support.ts";

const units = globSync("deploy/systemd/sessiond*.{service,timer}", { cwd: ROOT }).sort();
const read = (unit: string) => readFileSync(join(ROOT, unit), "utf8");
const service = read("deploy/systemd/sessiond.service");
const sweep = read("deploy/systemd/sessiond-sweep.service");

/** The paths that systemd makes credentials of. */
const credentialFiles = (unit: string) =>
  valuesOf(unit, "LoadCredential").map((value) => value.split(":")[1] ?? "");

/** The environment that a unit sets, with its credentials in /run/credentials. */
function environmentOf(unit: string): Record<string, string> {
  const pairs = valuesOf(unit, "Environment").map((pair) => pair.split("="));
  return Object.fromEntries(
    pairs.map(([name, value = ""]) => [name, value.replace("%d", "/run/credentials")]),
  );
}

function mountedFiles(unit: string): string[] {
  const names = valuesOf(unit, "LoadCredential").map((value) => value.split(":")[0]);
  return names.map((name) => `/run/credentials/${name}`);
}

/** The values of a key, in their order. */
function valuesOf(unit: string, key: string): string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

describe("the systemd units", () => {
  let directory: string;

  before(function () {
    if (findProgram("systemd-analyze") === undefined) {
      if (process.env.REQUIRE_SYSTEMD === "1") throw new Error("systemd-analyze is not installed");
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), "sessiond-units-"));
    for (const unit of units) writeFileSync(join(directory, basename(unit)), installed(read(unit)));
  });

  after(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** With a Node.js that is there: systemd-analyze looks for the program. */
  const installed = (unit: string) => unit.replaceAll("/usr/bin/node", process.execPath);

  function analyze(...args: readonly string[]) {
    return spawnSync("systemd-analyze", args, { encoding: "utf8", cwd: directory });
  }

  it("have no mistake that systemd knows (N04)", () => {
    const { status, stderr } = analyze("verify", ...units.map((unit) => `./${basename(unit)}`));
    expect([status, stderr]).to.deep.equal([0, ""]);
  });

  it("leave a service little to attack with (N04)", () => {
    for (const unit of units.filter((path) => path.endsWith(".service"))) {
      const options = ["--offline=true", "--threshold=30", `./${basename(unit)}`];
      const { status, stdout } = analyze("security", ...options);
      expect(status, stdout).to.equal(0);
    }
  });

  it("would be refused with less (N04)", () => {
    const weakened = service.replace(
      /^(DynamicUser|Private|Protect|System|Restrict|Cap).*\n/gm,
      "",
    );
    writeFileSync(join(directory, "weak.service"), weakened);
    const { status } = analyze("security", "--offline=true", "--threshold=30", "./weak.service");
    expect(status).not.to.equal(0);
    writeFileSync(join(directory, "wrong.service"), service.replace("KillMode=", "KilMode="));
    expect(analyze("verify", "./wrong.service").stderr).to.include("KilMode");
  });
});

describe("the unit of the service", () => {
  it("has settings that sessiond starts with, and secrets by LoadCredential only (N04)", () => {
    const { database, callers } = configurationOf(environmentOf(service), mountedFiles(service));
    expect(database.url).to.be.a("string");
    expect(callers?.file).to.equal("/etc/sessiond/callers.jsonl");
  });

  it("has the options for the heap of npm start (N04)", () => {
    const options = packageJson.scripts.start.split(" ").filter((word) => word.startsWith("--"));
    expect(options).to.have.length(2);
    for (const option of options) expect(valuesOf(service, "ExecStart")[0]).to.include(option);
  });

  it("gives sessiond the time that it takes to stop (N04)", () => {
    const { server } = configurationOf({}, []);
    const atMost = (server.drainDelayMs + server.shutdownGraceMs) / 1000;
    expect(Number(valuesOf(service, "TimeoutStopSec")[0])).to.be.above(atMost);
  });
});

describe("the unit of the sweep", () => {
  it("reads the settings of the service, and a token by LoadCredential only (N04)", () => {
    const file = "EnvironmentFile";
    expect(valuesOf(sweep, file)).to.deep.equal(valuesOf(service, file));
    const { token } = loadCliConfig(environmentOf(sweep), (path) => {
      if (!mountedFiles(sweep).includes(path)) throw new Error(`${path} is not mounted`);
      return "token-of-an-admin";
    });
    expect(token).to.equal("token-of-an-admin");
  });
});

describe("the files that the units make credentials of", () => {
  it("are installed by the page on deployment (N04)", () => {
    const page = readFileSync(join(ROOT, "docs", "deploy.md"), "utf8");
    const [, sources = ""] = /^sudo install -m 600 (.*) \/etc\/sessiond\/$/m.exec(page) ?? [];
    const installed = sources.split(" ").map((path) => `/etc/sessiond/${basename(path)}`);
    for (const unit of [service, sweep]) {
      expect(credentialFiles(unit)).not.to.be.empty;
      expect(installed).to.include.members(credentialFiles(unit));
    }
  });
});
