import { expect } from "chai";
import { CallersFileError, parseCallersFile } from "../../src/callers/callers-file.ts";
import { line, newToken, sha256, tokenLine } from "../support/callers.ts";

const none = { jwts: false, certificates: false };
const NOW = Date.parse("2026-06-01T00:00:00Z");

function parse(...lines: readonly string[]) {
  return parseCallersFile(lines.join("\n"), { jwts: true, certificates: true });
}

function problemOf(...lines: readonly string[]): string {
  try {
    parse(...lines);
  } catch (error) {
    if (error instanceof CallersFileError) return error.message;
    throw error;
  }
  throw new Error("the file is not refused");
}

describe("callers file", () => {
  it("has callers by token, with name, role and tenants", () => {
    const [web, ops] = [newToken(), newToken()];
    const file = parse(
      "# who may call",
      "",
      `${tokenLine(web, { tenants: ["acme", "globex"] })}\r`,
      `  ${line({ name: "ops", role: "admin", tenants: ["*"], token_sha256: sha256(ops).toUpperCase() })}`,
    );
    expect(file.byToken(sha256(web))?.caller).to.deep.equal({
      name: "web",
      role: "issuer",
      tenants: new Set(["acme", "globex"]),
      clientKey: "web",
      limitKey: "web",
    });
    expect(file.byToken(sha256(ops))?.caller).to.include({ role: "admin", tenants: undefined });
    expect(file.byToken(sha256(newToken()))).to.equal(undefined);
    expect(file.liveCount(NOW)).to.equal(2);
  });

  it("may have a byte order mark, no final newline, and several lines of one name", () => {
    const [old, next] = [newToken(), newToken()];
    const file = parseCallersFile(`\uFEFF${tokenLine(old)}\n${tokenLine(next)}`, none);
    expect(file.byToken(sha256(old))?.caller).to.deep.equal(file.byToken(sha256(next))?.caller);
  });

  it("may have no line: then nobody may call", () => {
    expect(parse("# nobody").liveCount(NOW)).to.equal(0);
  });

  it("has an expiry to the millisecond, and passes over an expired pattern", () => {
    const file = parse(
      line({ name: "old", certificate_san: "dns:*.test", expires_at: "2026-06-01T02:00:00+02:00" }),
      line({ name: "next", certificate_san: "dns:a.test" }),
    );
    const names = { dns: ["a.test"], spiffeId: undefined };
    expect(file.byCertificate(names, NOW - 1)?.caller.name).to.equal("old");
    expect(file.byCertificate(names, NOW)?.caller.name).to.equal("next");
    expect(file.liveCount(NOW)).to.equal(1);
  });

  it("takes the first line that matches a certificate or a subject, SPIFFE IDs before DNS names", () => {
    const file = parse(
      line({ name: "dns", certificate_san: "dns:a.test" }),
      line({ name: "exact", certificate_san: "spiffe://example.org/shop/web" }),
      line({ name: "any", certificate_san: "spiffe://example.org/shop/*" }),
      line({ name: "jwt", jwt_subject: "system:serviceaccount:shop:*" }),
    );
    const spiffe = (path: string) => ({
      dns: ["a.test"],
      spiffeId: `spiffe://example.org/${path}`,
    });
    expect(file.byCertificate(spiffe("shop/web"), NOW)?.caller.name).to.equal("exact");
    expect(file.byCertificate(spiffe("shop/api"), NOW)?.caller.name).to.equal("any");
    expect(file.byCertificate(spiffe("else"), NOW)?.caller.name).to.equal("dns");
    expect(file.byCertificate({ dns: [], spiffeId: undefined }, NOW)).to.equal(undefined);
    expect(file.bySubject("system:serviceaccount:shop:web", NOW)?.caller.name).to.equal("jwt");
    expect(file.bySubject("spiffe://example.org/shop/web", NOW)).to.equal(undefined);
  });

  const token = newToken();
  const good = tokenLine(token);
  const wrong: [string, string, RegExp][] = [
    ["no JSON", `{"name": "${token}`, /^line 2 is not JSON/],
    ["two objects on a line", `${good} ${good}`, /is not JSON/],
    ["no object", `["${token}"]`, /must be a JSON object/],
    ["null", "null", /must be a JSON object/],
    ["an unknown key", line({ [token]: 1 }), /has a key that is none of name, role/],
    ["a list of roles", line({ roles: ["admin"], token_sha256: sha256("x") }), /has a key/],
    ["no name", line({ name: undefined, token_sha256: sha256("x") }), /needs a name/],
    ["an empty name", line({ name: "", token_sha256: sha256("x") }), /needs a name/],
    ["a name with a newline", line({ name: "a\nb", token_sha256: sha256("x") }), /needs a name/],
    ["sessiond's name", line({ name: "sessiond", token_sha256: sha256("x") }), /is reserved/],
    ["no role", line({ role: undefined, token_sha256: sha256("x") }), /needs a role: one of valid/],
    ["an unknown role", line({ role: "root", token_sha256: sha256("x") }), /needs a role/],
    ["a role of every object", line({ role: "constructor", token_sha256: "" }), /needs a role/],
    ["no tenant", line({ tenants: [], token_sha256: sha256("x") }), /tenants that are not a list/],
    ["null for tenants", line({ tenants: null, token_sha256: sha256("x") }), /not a list/],
    ["an empty tenant", line({ tenants: [""], token_sha256: sha256("x") }), /not a list/],
    [
      "a long tenant",
      line({ tenants: ["x".repeat(129)], token_sha256: sha256("x") }),
      /not a list/,
    ],
    [
      "all tenants and one",
      line({ tenants: ["*", "a"], token_sha256: sha256("x") }),
      /"\*" is all/,
    ],
    ["no credential", line({}), /needs exactly one of token_sha256/],
    ["two", line({ token_sha256: sha256("x"), jwt_subject: "a" }), /needs exactly one of/],
    [
      "the token itself",
      line({ token_sha256: token }),
      /not 64 hexadecimal digits.* never the token/,
    ],
    ["null for the hash", line({ token_sha256: null }), /not 64 hexadecimal digits/],
    [
      "a date alone",
      line({ expires_at: "2027-01-01", token_sha256: sha256("x") }),
      /no time such as/,
    ],
    [
      "a number of seconds",
      line({ expires_at: 1_800_000_000, token_sha256: sha256("x") }),
      /no time/,
    ],
    [
      "month 13",
      line({ expires_at: "2027-13-01T00:00:00Z", token_sha256: sha256("x") }),
      /no time/,
    ],
    [
      "a token twice",
      tokenLine(token, { name: "other" }),
      /^line 2 has the same token_sha256 as line 1/,
    ],
    [
      "any SPIFFE ID",
      line({ certificate_san: "spiffe://*/a" }),
      /certificate_san that is no pattern/,
    ],
    ["any DNS name", line({ certificate_san: "dns:*" }), /certificate_san that is no pattern/],
    [
      "another kind of SAN",
      line({ certificate_san: "ip:127.0.0.1" }),
      /certificate_san that is no/,
    ],
    ["a part of a label", line({ certificate_san: "dns:a*.test" }), /certificate_san that is no/],
    ["any subject", line({ jwt_subject: "*" }), /jwt_subject that is no pattern/],
    ["an empty subject", line({ jwt_subject: "" }), /jwt_subject that is no pattern/],
  ];
  for (const [what, text, problem] of wrong) {
    it(`is refused with ${what}, and the message quotes nothing`, () => {
      const message = problemOf(good, text);
      expect(message).to.match(problem);
      expect(message).not.to.include(token);
    });
  }

  it("tells all wrong lines, up to a limit", () => {
    const lines = Array.from({ length: 14 }, () => "x");
    expect(problemOf(...lines)).to.match(/^line 1 is .*; line 10 is [^;]*; 4 more$/);
  });

  it("may have only credentials that can be presented", () => {
    const subject = line({ jwt_subject: "a:b" });
    const san = line({ certificate_san: "dns:a.test" });
    for (const [text, setting] of [
      [subject, /SESSIOND_JWT_JWKS must be set/],
      [san, /SESSIOND_TLS_CLIENT_CA must be set/],
    ] as const) {
      expect(() => parseCallersFile(text, none)).to.throw(CallersFileError, setting);
    }
    expect(parse(subject, san).liveCount(NOW)).to.equal(2);
  });
});
