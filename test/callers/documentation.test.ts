import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parseCallersFile } from "../../src/callers/callers-file.ts";
import { sha256 } from "../support/callers.ts";
import { findProgram } from "../support/programs.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/callers.md"), "utf8");

/** The block of the page that has this title. */
function block(title: string): string {
  const [, content] = new RegExp(`\`\`\`\\w+ title=${title}\n(.*?)\`\`\``, "s").exec(page) ?? [];
  expect(content, `the block ${title}`).to.be.a("string");
  return content ?? "";
}

describe("docs/callers.md", () => {
  const NOW = Date.parse("2026-06-01T00:00:00Z");

  it("has a callers file that means what the page says", () => {
    const file = parseCallersFile(block("callers.jsonl"), { jwts: true, certificates: true });
    const [, hash = ""] = /"token_sha256":"(\w+)"/.exec(page) ?? [];
    expect(file.live(NOW)).to.equal(5);
    expect(file.byToken(hash)?.caller).to.include({ name: "shop", role: "issuer" });
    const gateway = { dns: [], spiffeId: "spiffe://example.org/ns/edge/sa/gateway" };
    expect(file.byCertificate(gateway, NOW)?.caller.name).to.equal("gateway");
    const dns = { dns: ["a.gateways.internal"], spiffeId: undefined };
    expect(file.byCertificate(dns, NOW)?.caller.name).to.equal("gateway");
    expect(file.bySubject("system:serviceaccount:shop:web", NOW)?.caller.name).to.equal("web");
    expect(file.bySubject("spiffe://example.org/ops/anna", NOW)?.caller.role).to.equal("admin");
  });

  it("has a command that makes a token and its hash", function () {
    if (findProgram("openssl") === undefined) this.skip();
    const [token = "", hash] = execFileSync("sh", ["-ec", block("token")], { encoding: "utf8" })
      .trim()
      .split("\n");
    expect(token).to.match(/^token: [0-9a-f]{64}$/);
    expect(hash).to.equal(sha256(token.slice("token: ".length)));
  });
});
