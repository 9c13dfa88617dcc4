import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };
import { blocksOf, readmeBlock } from "../../scripts/readme.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { asAdmin } from "../support/database.ts";

const root = join(import.meta.dirname, "..", "..");
const PATH = [join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter);

/** Takes out what differs from run to run. */
function normalise(output: string): string {
  return output
    .replace(/ses-[0-9a-f]{44}/g, "ses-…")
    .replace(/sk-[0-9a-f]{32}/g, "sk-…")
    .replace(/\.[\w-]{43}$/gm, ".…")
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"…"')
    .replace(/"value":"[\w+/=]+"/g, '"value":"…"')
    .replace(/econds(Left)?":\d+/gi, (text) => text.replace(/\d+/, "N"));
}

/**
 * Starts a command and resolves with its first output that matches; then stops it gently, after
 * `whileItRuns`.
 */
async function outputUntil(
  command: string,
  env: Record<string, string>,
  expected: RegExp,
  whileItRuns: (output: string) => Promise<void> = async () => {},
) {
  const child = spawn("sh", ["-c", `exec ${command}`], {
    cwd: root,
    env: { PATH, HOME: process.env.HOME ?? "/", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  // "close" comes when the last process has let go of the output: npm may end before its child.
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  let output = "";
  const matched = new Promise<boolean>((resolve) => {
    const onData = (chunk: Buffer) => {
      output += chunk;
      if (expected.test(output)) resolve(true);
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    void exited.then(() => resolve(false));
  });
  const found = await matched;
  try {
    if (found) await whileItRuns(output);
  } finally {
    // The whole group, as a terminal does; npm does not always pass signals on.
    if (found) process.kill(-(child.pid as number), "SIGTERM");
  }
  const code = await exited;
  expect(found, `output of ${command} (exit ${code}):\n${output}`).to.equal(true);
  return output;
}

describe("README", () => {
  let readme: string;
  let app: TestApp;

  before(async () => {
    readme = await readFile(join(root, "README.md"), "utf8");
    app = await startTestApp();
  });
  after(() => app.stop());

  it("shows a tour whose commands give the answers that it shows", async () => {
    const lines = blocksOf(readme, "console").join("").trimEnd().split("\n");
    const commands = lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
    const shown = lines.filter((line) => !line.startsWith("$ "));
    const script = commands
      .join("\n")
      .replaceAll("127.0.0.1:8480", `127.0.0.1:${app.app.server.port}`);
    const { stdout, stderr } = await promisify(execFile)("sh", ["-c", script]);
    expect(stderr).to.equal("");
    expect(normalise(stdout).trimEnd().split("\n")).to.deep.equal(
      shown.map((line) => normalise(line)),
    );
  });

  it("shows the core of an example that runs", async () => {
    const example = await readFile(join(root, "examples", "backend.ts"), "utf8");
    const [core = ""] = example.split("// README: begin\n").slice(1);
    const [quoted] = core.split("// README: end");
    expect(blocksOf(readme, "ts")).to.deep.equal([`${quoted?.trimEnd()}\n`]);
  });

  it("names only commands that a test or CI runs", async () => {
    const ci = await readFile(join(root, ".ci", "run"), "utf8");
    const byCi = ["npm run demo", "npm run dockerfile"];
    for (const command of [...byCi, "npm run package"]) expect(ci).to.include(command);
    expect(ci).to.include("npm ci").and.to.include("npm test");
    const smokeTest = await readFile(join(root, "scripts", "package-smoke-test.ts"), "utf8");
    const byPackageSmokeTest = ["npm pack", "npm ci --omit=dev"].map((part) => {
      expect(smokeTest).to.include(`readmeBlock("${part}")`);
      return readmeBlock(part).trim();
    });
    const startTest = await readFile(join(root, "test", "web-login", "start.test.ts"), "utf8");
    const [, started = ""] = /script = "([^"]+)"/.exec(startTest) ?? [];
    expect(packageJson.scripts["web-login"].endsWith(` ${started}`)).to.equal(true);
    const commands = blocksOf(readme, "sh").map((block) => block.trim());
    expect(commands).to.have.members([
      "npm ci && npm start",
      "npm ci && npm test",
      ...byPackageSmokeTest,
      ...byCi,
      "npm run web-login",
      "npm start -- --print-config",
      readmeBlock("-- doctor").trim(),
      readmeBlock("create-token").trim(),
      readmeBlock("curl").trim(),
      readmeBlock("export SESSIOND_DATABASE_URL=").trim(),
    ]);
  });

  it("names only npm scripts that exist", () => {
    const names = [...readme.matchAll(/\bnpm (?:run ([\w-]+)|(start|test))/g)];
    const scripts = names.map(([, script, builtIn]) => script ?? builtIn);
    expect(Object.keys(packageJson.scripts)).to.include.members(scripts);
    expect(scripts).to.include("example");
  });

  it("npm start serves on the embedded database", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-readme-"));
    try {
      const env = { SESSIOND_DATA_DIR: directory, SESSIOND_PORT: "0" };
      await outputUntil("npm start", env, /listens on http[\s\S]*grpcurl .*Create/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("shows commands for whoever is on call that run beside npm start", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-readme-"));
    try {
      const env = { SESSIOND_DATA_DIR: directory, SESSIOND_PORT: "0" };
      await outputUntil("npm start", env, /listens on http/, async (output) => {
        const [address = ""] = /http:\/\/[\d.]+:\d+/.exec(output) ?? [];
        const { stdout } = await promisify(execFile)("sh", ["-ec", readmeBlock("-- doctor")], {
          cwd: root,
          env: {
            PATH,
            HOME: directory,
            SESSIOND_CLI_ADDRESS: address,
            SESSIOND_DATA_DIR: directory,
          },
        });
        expect(stdout)
          .to.match(/service/)
          .and.to.include("auth.session_signing_key_bootstrap");
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("npm start -- --print-config shows the settings in force", async () => {
    await outputUntil("npm start -- --print-config", {}, /SESSIOND_IDLE_TIMEOUT +30m +default/);
  });

  it("makes a token, starts with the callers file that has it, and calls with it", async () => {
    const home = await mkdtemp(join(tmpdir(), "sessiond-readme-"));
    const token = join(home, "web.token");
    const sh = (script: string) =>
      promisify(execFile)("sh", ["-c", script], { env: { PATH, HOME: home } });
    try {
      const script = readmeBlock("create-token").replace(/npm start$/m, "exec npm start");
      const env = { SESSIOND_PORT: "0", HOME: home, SCRIPT: script };
      await outputUntil(`sh -c "$SCRIPT"`, env, /listens on http/, async (output) => {
        expect(await readFile(token, "utf8")).to.match(/^sessiond_[\w-]{43}\n$/);
        for (const file of [token, join(home, "callers.jsonl")]) {
          expect((await stat(file)).mode & 0o777).to.equal(0o600);
        }
        const [url = ""] = /http:\/\/[\d.]+:\d+/.exec(output) ?? [];
        const call = readmeBlock("curl").replace("http://127.0.0.1:8480", url);
        expect(JSON.parse((await sh(call)).stdout)).to.have.nested.property(
          "session.actorId",
          "alice",
        );
        const refused = await sh(call.replace("Bearer", "Basic"));
        expect(refused.stdout).to.include("CALLER_UNAUTHENTICATED");
      });
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });

  it("starts on a PostgreSQL of one's own with the statements and commands that it shows", async () => {
    const home = await mkdtemp(join(tmpdir(), "sessiond-readme-"));
    const name = `readme_${randomBytes(6).toString("hex")}`;
    try {
      const statements = blocksOf(readme, "sql").join("").replaceAll("sessiond", name);
      for (const statement of statements.trim().split("\n")) await asAdmin(statement);
      const { host } = new URL(process.env.SESSIOND_TEST_SERVER_URL ?? "");
      const script = readmeBlock("SESSIOND_DATABASE_URL")
        .replace("sessiond:secret@127.0.0.1:5432/sessiond", `${name}:secret@${host}/${name}`)
        .replace("npm start", "exec npm start");
      const env = { SESSIOND_PORT: "0", HOME: home, SCRIPT: script };
      await outputUntil(`sh -c "$SCRIPT"`, env, /listens on http/);
      expect((await stat(join(home, "sessiond-key"))).mode & 0o777).to.equal(0o600);
    } finally {
      await rm(home, { recursive: true, force: true });
      await asAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await asAdmin(`DROP ROLE IF EXISTS ${name}`);
    }
  });
});
