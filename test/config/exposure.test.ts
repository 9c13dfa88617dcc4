import { expect } from "chai";
import { loadConfig } from "../../src/config/config.ts";
import { isLoopback } from "../../src/config/loopback.ts";
import { certificatePem, expectProblem, privateKeyPem, problemsOf } from "./helpers.ts";

const noAuthentication = "SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION";
const plainText = "SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS";
const callers = { SESSIOND_CALLERS_FILE: "/run/callers.jsonl" };
const tls = { SESSIOND_TLS_CERT: certificatePem, SESSIOND_TLS_KEY: privateKeyPem(7) };

const loopback = [
  "127.0.0.1",
  "127.255.255.254",
  "localhost",
  "LOCALHOST",
  "::1",
  "0:0:0:0:0:0:0:1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
];
const reachable = [
  "0.0.0.0",
  "::",
  "::ffff:0.0.0.0",
  "::ffff:10.0.0.1",
  "10.0.0.1",
  "126.255.255.255",
  "128.0.0.1",
  "::2",
  "fe80::1",
  "fe80::1%eth0",
  "localhost.example.com",
  "my-localhost",
  "db-1.example.com",
  "0x7f000001",
];

describe("exposure to the network (F03)", () => {
  for (const host of loopback) {
    it(`of ${host} is none, so no authentication is needed`, () => {
      expect(isLoopback(host)).to.equal(true);
      expect(loadConfig({ SESSIOND_HOST: host }).server.exposure).to.equal("protected");
      expect(problemsOf({ SESSIOND_HOST: host, ...callers })).to.deep.equal([]);
    });
  }

  for (const host of reachable) {
    it(`of ${host} is refused without authentication`, () => {
      expect(isLoopback(host)).to.equal(false);
      const ways = [
        "SESSIOND_CALLERS_FILE",
        "create-token",
        "127.0.0.1",
        `${noAuthentication}=true`,
      ];
      expectProblem({ SESSIOND_HOST: host }, `SESSIOND_HOST (${host})`, ...ways);
      expectProblem({ SESSIOND_HOST: host, ...tls }, `${noAuthentication}=true`);
    });
  }

  const SESSIOND_HOST = "0.0.0.0";

  it("is refused if clients only have certificates, which give nobody a name", () => {
    const env = { SESSIOND_HOST, ...tls, SESSIOND_TLS_CLIENT_CA: certificatePem };
    expectProblem(env, "callers are not authenticated");
    expectProblem({ ...env, SESSIOND_TLS_CLIENT_CERTIFICATE: "required" }, "not authenticated");
  });

  it("is permitted without authentication if a setting says so", () => {
    const env = { SESSIOND_HOST, [noAuthentication]: "true" };
    expect(loadConfig(env).server.exposure).to.equal("unauthenticated");
    expectProblem({ ...env, [noAuthentication]: "false" }, `${noAuthentication}=true`);
  });

  it("is permitted with authentication and TLS", () => {
    expect(loadConfig({ SESSIOND_HOST, ...callers, ...tls }).server.exposure).equal("protected");
  });

  it("is refused with authentication in plain text, unless a setting says so", () => {
    const env = { SESSIOND_HOST, ...callers };
    expectProblem(env, "there is no TLS", "SESSIOND_TLS_CERT", `${plainText}=true`);
    const permitted = { ...env, [plainText]: "true" };
    expect(loadConfig(permitted).server.exposure).to.equal("plain-text");
    expectProblem({ SESSIOND_HOST, [plainText]: "true" }, "callers are not authenticated");
  });

  it("is refused if the settings contradict each other", () => {
    const env = { SESSIOND_HOST, ...callers, ...tls, [noAuthentication]: "true" };
    expectProblem(env, `${noAuthentication} (true) contradicts SESSIOND_CALLERS_FILE`);
  });

  it("does not take an empty name of a file for authentication", () => {
    expectProblem({ SESSIOND_HOST, SESSIOND_CALLERS_FILE: "" }, "SESSIOND_CALLERS_FILE is empty");
  });
});
