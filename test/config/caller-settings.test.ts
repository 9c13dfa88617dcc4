import { expect } from "chai";
import { loadConfig } from "../../src/config/config.ts";
import { expectProblem, filesOf, problemsOf } from "./helpers.ts";

const jwt = {
  SESSIOND_CALLERS_FILE: "callers.jsonl",
  SESSIOND_JWT_JWKS: "jwks.json",
  SESSIOND_JWT_ISSUER: "https://issuer.test",
  SESSIOND_JWT_AUDIENCE: "sessiond",
};

describe("settings of callers", () => {
  it("refuse a callers file without a name, which would let everybody in", () => {
    expectProblem({ SESSIOND_CALLERS_FILE: "" }, "SESSIOND_CALLERS_FILE is empty");
  });

  it("accept JWTs of one issuer for one audience, with asymmetric algorithms", () => {
    expect(loadConfig(jwt, filesOf({})).callers).to.deep.equal({
      file: "callers.jsonl",
      certificates: false,
      jwt: {
        jwks: "jwks.json",
        issuer: "https://issuer.test",
        audience: "sessiond",
        algorithms: ["RS256", "ES256"],
      },
    });
    for (const needed of [
      "SESSIOND_CALLERS_FILE",
      "SESSIOND_JWT_ISSUER",
      "SESSIOND_JWT_AUDIENCE",
    ] as const) {
      const { [needed]: _, ...others } = jwt;
      expectProblem(others, `SESSIOND_JWT_JWKS needs ${needed}, which is not set`);
    }
    for (const algorithms of ["HS256", "none", "RS256,HS256", "rs256", ","]) {
      const problem = "it must be one or more of RS256, RS384";
      expectProblem({ ...jwt, SESSIOND_JWT_ALGORITHMS: algorithms }, problem);
    }
  });

  it("refuse rules for JWTs that have no effect", () => {
    for (const rule of [
      { SESSIOND_JWT_ISSUER: "https://issuer.test" },
      { SESSIOND_JWT_AUDIENCE: "sessiond" },
      { SESSIOND_JWT_ALGORITHMS: "ES256" },
    ]) {
      const [name] = Object.keys(rule);
      expectProblem(rule, `${name} has no effect without SESSIOND_JWT_JWKS`);
    }
  });

  it("take keys from a path or an https URL", () => {
    for (const jwks of [
      "http://issuer.test/keys",
      "file:///keys",
      "https://user:secret@issuer.test/keys",
      "https://",
    ]) {
      const problem = "it must be a path or an https:// URL without user and password";
      expectProblem({ ...jwt, SESSIOND_JWT_JWKS: jwks }, problem);
    }
  });

  it("never show the password of a URL that they refuse", () => {
    for (const jwks of [
      "https://user:canary@issuer.test/keys",
      "https://canary@issuer.test/keys",
      "http://user:canary@issuer.test/keys",
      "https:user:canary@issuer.test/keys",
      "https://user:can/canary@issuer.test/keys",
      ` https://user:canary@${"issuer".repeat(20)}.test/keys`,
    ]) {
      const [problem = "", ...others] = problemsOf({ ...jwt, SESSIOND_JWT_JWKS: jwks });
      expect(others).to.deep.equal([]);
      expect(problem).to.match(/^SESSIOND_JWT_JWKS \(hidden\): it must be a path or an https:/);
      expect(problem).not.to.include("canary");
    }
  });
});
