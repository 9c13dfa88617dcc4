import { execFile } from "node:child_process";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import packageJson from "../../package.json" with { type: "json" };
import { validate } from "../support/actors.ts";
import { findProgram, goPrograms } from "../support/programs.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";

const run = promisify(execFile);

describe("sessiond as a process: first steps", () => {
  const sessiond = useSessiond();

  /** The line of the banner that starts with the program's name, as one would copy it. */
  function printedCommand({ stdout }: Serving, program: string): string {
    const line = stdout.split("\n").find((text) => text.trim().startsWith(`${program} `));
    return line?.trim() ?? "";
  }

  async function openWith(serving: Serving, program: string, path: string | undefined) {
    const { PATH = "", HOME = "" } = process.env;
    const env = { PATH: path === undefined ? PATH : `${join(path, "..")}:${PATH}`, HOME };
    const { stdout } = await run("sh", ["-c", printedCommand(serving, program)], { env });
    const answer = JSON.parse(stdout) as { cookie: string; session: { actorId: string } };
    expect(answer.session.actorId).to.equal("alice");
    const { session } = await validate(serving.client, answer.cookie);
    expect(session?.actorId).to.equal("alice");
  }

  const curl = findProgram("curl");
  const grpcurl = findProgram("grpcurl", goPrograms());
  const programs = [
    ["curl", curl],
    ["grpcurl", grpcurl],
  ] as const;

  it("needs nothing but a directory, and says where it listens and keeps its data", async () => {
    const directory = await sessiond.directory();
    const { stdout, url } = await sessiond.serve({ env: { SESSIOND_DATA_DIR: directory } });

    const [first, second, third, ...rest] = stdout.split("\n");
    expect(first).to.equal(
      `sessiond ${packageJson.version} listens on ${url} (gRPC, gRPC-Web, Connect)`,
    );
    expect(new URL(url).hostname).to.equal("127.0.0.1");
    expect(second).to.match(/^Its data is in .* \(embedded PostgreSQL, port \d+\)$/);
    expect(second).to.include(` ${directory} `);
    expect(third).to.equal("");
    expect(rest.map((line) => line.trim().split(" ")[0])).to.deep.equal([
      "Open",
      "curl",
      "grpcurl",
      "",
      "",
    ]);
  });

  for (const [program, path] of programs) {
    // Reported as pending where the program is not installed: there is nothing to paste it into.
    (path === undefined ? it.skip : it)(
      `prints a ${program} command that opens a session as it stands`,
      async () => {
        const serving = await sessiond.serve({ env: databaseEnv(await sessiond.database()) });
        await openWith(serving, program, path);
      },
    );
  }

  it("says what it does on the way as JSON on standard error only", async () => {
    const database = await sessiond.database({ empty: true });
    const serving = await sessiond.serve({ env: databaseEnv(database) });
    const { stdout, stderr } = await serving.end("SIGTERM");

    expect(stdout).not.to.include('{"level');
    const messages = stderr.trim().split("\n");
    expect(messages.map((line) => JSON.parse(line).msg)).to.deep.equal([
      "migrations applied",
      "first signing key made",
      "serving",
      "stopping",
      "stopped",
    ]);
  });

  describe("command line", () => {
    it("--version", async () => {
      const { code, stdout, stderr } = await sessiond.run({ args: ["--version"] });
      expect({ code, stdout, stderr }).to.deep.equal({
        code: 0,
        stdout: `${packageJson.version}\n`,
        stderr: "",
      });
    });

    it("--help names every option and command, without a look at the settings", async () => {
      const env = { SESSIOND_PORT: "none" };
      const { code, stdout } = await sessiond.run({ env, args: ["--help"] });
      expect(code).to.equal(0);
      for (const option of ["--print-config", "--version", "--help", "rewrap-keys"]) {
        expect(stdout).to.include(option);
      }
    });

    for (const [argument, named, help] of [
      ["--port", "'--port'", "sessiond --help"],
      ["srve", "'srve'", "sessiond --help"],
      ["rewrap-keys now", "'rewrap-keys'", "sessiond rewrap-keys --help"],
    ] as const) {
      it(`refuses ${argument}, which it does not know, and points to --help`, async () => {
        const { code, stdout, stderr } = await sessiond.run({ args: argument.split(" ") });
        expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
        expect(stderr).to.match(/^sessiond: .*\n/);
        expect(stderr).to.include(named);
        expect(stderr).to.include(help);
      });
    }

    it("a start shows what the database says so that it does not control the terminal", async () => {
      const text = "SFATAL\0C28000\0M\u001b[31mno entry\u009b0m\nfor you\0\0";
      const length = Buffer.alloc(4);
      length.writeInt32BE(4 + Buffer.byteLength(text));
      const answer = Buffer.concat([Buffer.from("E"), length, Buffer.from(text)]);
      const server = net.createServer((socket) => {
        socket.on("error", () => {}).once("data", () => socket.end(answer));
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const env = databaseEnv({ url: `postgres://user:password@127.0.0.1:${port}/db` });
      const { code, stderr } = await sessiond.run({ env });
      server.close();
      expect(code).to.equal(1);
      expect(stderr).to.match(/^sessiond: .*: no entry for you$/m);
      expect(stderr).not.to.match(/[^\P{Cc}\n]/u);
    });

    it("--print-config shows what is in force and from where, and hides secrets", async () => {
      const { code, stdout, stderr } = await sessiond.run({
        args: ["--print-config"],
        env: {
          // Nobody connects to it.
          ...databaseEnv({ url: "postgres://canary-user:canary-password@canary-host/db" }),
          SESSIOND_TIMEOUT_PROFILE: "workday",
        },
      });
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      const lines = stdout.split("\n").map((line) => line.split(/\s{2,}/));
      for (const expected of [
        ["SESSIOND_PORT", "0", "environment"],
        ["SESSIOND_HOST", "127.0.0.1", "default"],
        ["SESSIOND_DATABASE_URL", "(hidden)", "environment"],
        ["SESSIOND_KEY_ENCRYPTION_KEYS", "(hidden)", "environment"],
        ["SESSIOND_IDLE_TIMEOUT", "4h", "profile"],
      ]) {
        expect(lines).to.deep.include(expected);
      }
      expect(stdout).not.to.include("canary");
      expect(stdout).not.to.include(databaseEnv({ url: "" }).SESSIOND_KEY_ENCRYPTION_KEYS);
    });
  });
});
