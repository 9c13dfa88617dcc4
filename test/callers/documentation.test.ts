import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { parseCallersFile } from "../../src/callers/callers-file.ts";
import { line, sha256 } from "../support/callers.ts";
import { blockOf, readPage } from "../support/documentation.ts";
import { findProgram, goPrograms } from "../support/programs.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";

const page = readPage("callers.md");
const block = (title: string) => blockOf(page, title);

/** Instead of the shell, so that signals reach it. */
const SESSIOND = `sessiond() {
  exec '${process.execPath}' '${join(import.meta.dirname, "../../src/main.ts")}' "$@"
}\n`;

describe("docs/callers.md", () => {
  const NOW = Date.parse("2026-06-01T00:00:00Z");
  const accepts = { jwts: true, certificates: true };

  it("has a callers file that means what the page says", () => {
    const file = parseCallersFile(block("callers.jsonl"), accepts);
    const [, hash = ""] = /"token_sha256":"(\w+)"/.exec(page) ?? [];
    expect(file.liveCount(NOW)).to.equal(5);
    expect(file.byToken(hash)?.caller).to.include({ name: "shop", role: "issuer" });
    const gateway = { dns: [], spiffeId: "spiffe://example.org/ns/edge/sa/gateway" };
    expect(file.byCertificate(gateway, NOW)?.caller.name).to.equal("gateway");
    const dns = { dns: ["a.gateways.internal"], spiffeId: undefined };
    expect(file.byCertificate(dns, NOW)?.caller.name).to.equal("gateway");
    expect(file.bySubject("system:serviceaccount:shop:web", NOW)?.caller.name).to.equal("web");
    expect(file.bySubject("spiffe://example.org/ops/anna", NOW)?.caller.role).to.equal("admin");
  });

  const patterns = [...page.matchAll(/^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$/gm)];

  it("has examples of patterns", () => {
    expect(patterns).to.have.length(3);
  });

  for (const [, pattern = "", accepted = "", refused = ""] of patterns) {
    it(`says what ${pattern} accepts`, () => {
      const isSubject = pattern.startsWith("system:");
      const key = isSubject ? "jwt_subject" : "certificate_san";
      const file = parseCallersFile(line({ [key]: pattern }), accepts);
      const lineOf = (name: string) => {
        if (isSubject) return file.bySubject(name, NOW);
        const isSpiffe = name.startsWith("spiffe:");
        const names = { dns: isSpiffe ? [] : [name], spiffeId: isSpiffe ? name : undefined };
        return file.byCertificate(names, NOW);
      };
      expect(lineOf(accepted)?.caller.name).to.equal("web");
      expect(lineOf(refused)).to.equal(undefined);
    });
  }

  it("has a command that makes a token and its hash", function () {
    if (findProgram("openssl") === undefined) this.skip();
    const [token = "", hash] = execFileSync("sh", ["-ec", block("token")], { encoding: "utf8" })
      .trim()
      .split("\n");
    expect(token).to.match(/^token: [0-9a-f]{64}$/);
    expect(hash).to.equal(sha256(token.slice("token: ".length)));
  });

  describe("the first caller", () => {
    const sessiond = useSessiond();

    /** Does what the page says up to the first call, and returns a function that runs commands there. */
    async function start(): Promise<(script: string) => string> {
      const cwd = await sessiond.directory();
      await writeFile(join(cwd, "tls.crt"), testCertificate);
      await writeFile(join(cwd, "ca.crt"), testCertificate);
      await writeFile(join(cwd, "tls.key"), testKey, { mode: 0o600 });
      const run = (script: string) =>
        execFileSync("sh", ["-ec", script], { cwd, encoding: "utf8", stdio: "pipe" });
      run(SESSIOND + block("create-token"));

      const { name, role, tenants, expires_at, token_sha256 } = JSON.parse(
        await readFile(join(cwd, "callers.jsonl"), "utf8"),
      );
      const token = (await readFile(join(cwd, "shop.token"), "utf8")).trim();
      expect({ name, role, tenants, token_sha256 }).to.deep.equal({
        name: "shop",
        role: "issuer",
        tenants: ["acme"],
        token_sha256: sha256(token),
      });
      expect(Date.parse(expires_at)).to.be.greaterThan(Date.now());

      const serving = await sessiond.serve({
        command: ["sh", "-ec", `cd '${cwd}'\n${SESSIOND}${block("start")}`],
        env: databaseEnv(await sessiond.database()),
      });
      const { port } = new URL(serving.url);
      return (script) => run(script.replace("localhost:8480", `localhost:${port}`));
    }

    const AUTHORIZATION = /-H "authorization: [^\n]*"/;

    it("can call with curl, and not without the token", async function () {
      if (findProgram("curl") === undefined) this.skip();
      const run = await start();
      const { session } = JSON.parse(run(block("curl")));
      expect(session).to.include({ tenantId: "acme", actorId: "alice" });
      expect(block("curl")).to.match(AUTHORIZATION);
      const refused = run(block("curl").replace(AUTHORIZATION, ""));
      expect(refused).to.include("CALLER_UNAUTHENTICATED");
    });

    it("can call with grpcurl", async function () {
      const grpcurl = findProgram("grpcurl", goPrograms());
      if (grpcurl === undefined) this.skip();
      const run = await start();
      const { session } = JSON.parse(run(block("grpcurl").replace(/^grpcurl/, `'${grpcurl}'`)));
      expect(session).to.include({ tenantId: "acme", actorId: "alice" });
    });
  });
});
