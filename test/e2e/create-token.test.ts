import { createHash } from "node:crypto";
import { chmod, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { parseCallersFile } from "../../src/callers/callers-file.ts";
import { createToken } from "../../src/commands/create-token.ts";
import { tokenLine } from "../support/callers.ts";
import { useSessiond } from "../support/sessiond-process.ts";

const TOKEN = /^sessiond_[A-Za-z0-9_-]{43}$/;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("sessiond create-token", () => {
  const sessiond = useSessiond();
  const required = ["--name", "web", "--role", "issuer"];

  describe("as a process", () => {
    it("prints the token, and then its line for the callers file", async () => {
      const args = ["create-token", ...required, "--tenant", "acme", "--tenant", "a b"];
      // Settings that sessiond would refuse do not matter.
      const { code, stdout, stderr } = await sessiond.run({ args, env: { SESSIOND_HOST: "::" } });
      expect(code, stderr).to.equal(0);
      const [token = "", line = "", ...rest] = stdout.split("\n");
      expect(rest).to.deep.equal([""]);
      expect(token).to.match(TOKEN);
      expect(JSON.parse(line)).to.deep.equal({
        name: "web",
        role: "issuer",
        tenants: ["acme", "a b"],
        token_sha256: sha256(token),
      });
      expect(stderr).not.to.include(token);
    });

    it("appends the line to a file and prints the token only", async () => {
      const file = join(await sessiond.directory(), "callers.jsonl");
      const tokens: string[] = [];
      for (const name of ["web", "shop"]) {
        const args = ["create-token", "--name", name, "--role", "validator", "--file", file];
        const { code, stdout, stderr } = await sessiond.run({ args });
        expect(code, stderr).to.equal(0);
        expect(stdout.trimEnd()).to.match(TOKEN);
        tokens.push(stdout.trimEnd());
      }
      const content = await readFile(file, "utf8");
      const lines = content.split("\n");
      expect(lines.pop()).to.equal("");
      expect(lines.map((line) => JSON.parse(line))).to.deep.equal([
        { name: "web", role: "validator", token_sha256: sha256(tokens[0] ?? "") },
        { name: "shop", role: "validator", token_sha256: sha256(tokens[1] ?? "") },
      ]);
      expect((await stat(file)).mode & 0o777).to.equal(0o600);
      for (const token of tokens) expect(content).not.to.include(token);
    });

    it("explains what is wrong, with status 1 and without a token", async () => {
      for (const [args, message] of [
        [[], "--name must be 1 to 128 letters"],
        [["--name", "web"], "--role must be one of validator, issuer, admin"],
        [["--nmae", "web"], "--nmae"],
        [["--name"], "--name"],
        [[...required, "extra"], "extra"],
      ] as const) {
        const ended = await sessiond.run({ args: ["create-token", ...args] });
        expect(ended.code, ended.stderr).to.equal(1);
        expect(ended.stdout).to.equal("");
        expect(ended.stderr).to.match(/^sessiond: .*--help\)\n$/s);
        expect(ended.stderr).to.include(message);
      }
    });

    it("--help names every option", async () => {
      const { code, stdout } = await sessiond.run({ args: ["create-token", "--help"] });
      expect(code).to.equal(0);
      for (const option of ["--name", "--role", "--tenant", "--expires", "--file"]) {
        expect(stdout).to.include(option);
      }
      const short = await sessiond.run({ args: ["create-token", "-h"] });
      expect(short).to.deep.include({ code, stdout });
      const general = await sessiond.run({ args: ["--help"] });
      expect(general.stdout).to.include("create-token");
    });
  });

  /** The message of the refusal, or "" if there is none. */
  async function refusal(...args: readonly string[]): Promise<string> {
    return createToken([...required, ...args]).then(
      () => "",
      (error: Error) => error.message,
    );
  }

  it("writes a line that the reader of the callers file takes", async () => {
    const args = [...required, "--tenant", "acme", "--expires", "90d"];
    const [token = "", line = ""] = (await createToken(args)).stdout.split("\n");
    const found = parseCallersFile(line, { certificates: false, jwts: false }).byToken(
      sha256(token),
    );
    expect(found?.caller).to.deep.include({ name: "web", role: "issuer" });
    expect(found?.caller.tenants).to.deep.equal(new Set(["acme"]));
    expect(found?.expiresAt).to.be.above(Date.now());
  });

  it("makes a new token each time", async () => {
    const outputs = await Promise.all(Array.from({ length: 100 }, () => createToken(required)));
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).to.equal(100);
  });

  it("writes an expiry in whole seconds, from now", async () => {
    const now = Date.UTC(2026, 0, 1, 0, 0, 0, 999);
    const lineFor = async (expires: string) => {
      const { stdout } = await createToken([...required, "--expires", expires], now);
      return JSON.parse(stdout.split("\n")[1] ?? "").expires_at;
    };
    expect(await lineFor("90d")).to.equal("2026-04-01T00:00:00Z");
    expect(await lineFor("1m")).to.equal("2026-01-01T00:01:00Z");
  });

  const bad: readonly (readonly [readonly string[], string])[] = [
    [["--expires", "soon"], "--expires: it must be a duration from 1m to 3650d, such as"],
    [["--expires", "90"], "--expires: it must be"],
    [["--expires", "0d"], "--expires: it must be"],
    [["--expires", ""], "--expires: it must be"],
    [["--tenant", ""], "--tenant must be a tenant's id"],
    [["--tenant", "*"], "Leave it out for all tenants"],
    [["--tenant", "a", "--tenant", "a\nb"], "--tenant must be"],
    [["--tenant", "ä".repeat(65)], "1 to 128 bytes"],
    [["--name", ""], "--name must be"],
    [["--name", "sessiond"], "not sessiond, which is reserved"],
    [["--name", "a b"], "--name must be"],
    [["--name", "a".repeat(129)], "--name must be"],
    [["--role", "Issuer"], "--role must be one of validator, issuer, admin"],
    [["--role", "root", "--name", "-"], "--role must be"],
    [["--file", ""], "--file must be a path"],
  ];
  for (const [args, message] of bad) {
    it(`refuses ${JSON.stringify(args).slice(0, 60)}`, async () => {
      expect(await refusal(...args)).to.include(message);
    });
  }

  describe("with a file", () => {
    let file: string;
    beforeEach(async () => {
      file = join(await sessiond.directory(), "callers.jsonl");
    });

    it("ends the last line first if it has no end, and keeps the rest as it is", async () => {
      const before = `# Callers\n\n${tokenLine("a")}\r\n${tokenLine("b")}`;
      await writeFile(file, before);
      await chmod(file, 0o640);
      await createToken([...required, "--file", file]);
      const content = await readFile(file, "utf8");
      expect(content).to.match(/^[\s\S]*\n\{"name":"web",.*\}\n$/);
      expect(content.startsWith(`${before}\n{"name":"web"`)).to.equal(true);
      expect((await stat(file)).mode & 0o777).to.equal(0o640);
    });

    it("writes whole lines, however many write at once", async () => {
      const names = Array.from({ length: 20 }, (_, index) => `caller-${index}`);
      const add = (name: string) =>
        createToken(["--name", name, "--role", "admin", "--file", file]);
      await Promise.all(names.map(add));
      const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
      expect(lines.map((line) => JSON.parse(line).name)).to.have.members(names);
    });

    it("follows a symbolic link", async () => {
      const link = `${file}.link`;
      await writeFile(file, "");
      await symlink(file, link);
      await createToken([...required, "--file", link]);
      expect(await readFile(file, "utf8")).to.include('"name":"web"');
    });

    for (const content of [
      "-----BEGIN PRIVATE KEY-----\n",
      `${tokenLine("a")}\n[]\n`,
      `${tokenLine("a")}\n{"name":\n`,
      `${tokenLine("a")}\nnull`,
      `${tokenLine("a")}\n${tokenLine("a")}\n`,
      `${tokenLine("a", { expires_at: "tomorrow" })}\n`,
    ]) {
      it(`leaves a file alone that sessiond would refuse: ${JSON.stringify(content).slice(-40)}`, async () => {
        await writeFile(file, content);
        expect(await refusal("--file", file)).to.include("it is not a valid callers file: line ");
        expect(await readFile(file, "utf8")).to.equal(content);
      });
    }

    it("explains what it cannot append to", async () => {
      const directory = join(file, "..");
      expect(await refusal("--file", directory)).to.include(`${JSON.stringify(directory)}: EISDIR`);
      expect(await refusal("--file", join(file, "x"))).to.include("ENOENT");
      expect(await refusal("--file", "/dev/null")).to.include("it is not a regular file");
    });
  });
});
