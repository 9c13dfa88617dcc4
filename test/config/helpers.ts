import { createPrivateKey } from "node:crypto";
import { expect } from "chai";
import { ConfigError, loadConfig } from "../../src/config/config.ts";
import type { Environment } from "../../src/config/env-reader.ts";

/** A file reader that knows these files and no others. */
export function filesOf(files: Readonly<Record<string, string>>): (path: string) => string {
  return (path) => {
    const content = files[path];
    if (content !== undefined) return content;
    throw Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
  };
}

/** What is wrong with the environment; empty if nothing is. */
export function problemsOf(
  env: Environment,
  files: Readonly<Record<string, string>> = {},
): readonly string[] {
  try {
    loadConfig(env, filesOf(files));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) expect(error.message).to.include(problem);
    return error.problems;
  }
}

/** Expects exactly one problem, which says all of this. */
export function expectProblem(env: Environment, ...says: readonly string[]): void {
  const problems = problemsOf(env);
  expect(problems, JSON.stringify(env)).to.have.length(1);
  for (const text of says) expect(problems[0]).to.include(text);
}

export function keyOf(byte: number): string {
  return Buffer.alloc(32, byte).toString("base64");
}

/** An Ed25519 key from a seed, so that no private key lies in the repository. */
export function privateKeyPem(seed: number): string {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([prefix, Buffer.alloc(32, seed)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Self-signed for `localhost` with `privateKeyPem(7)`, valid until 2126. */
export const certificatePem = `-----BEGIN CERTIFICATE-----
MIIBPjCB8aADAgECAhQwBq2/+zvemgjLcntWOlcsyl+wKTAFBgMrZXAwFDESMBAG
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAyMDY1M1oYDzIxMjYxMDI4MDIwNjUz
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwKjAFBgMrZXADIQDqSmxj4pxSCr71UHsT
LsX5lUd2rr6+e5JCHuppFEbSLKNTMFEwHQYDVR0OBBYEFExezkAjoDQe4qz/zE0X
FUqFTwLlMB8GA1UdIwQYMBaAFExezkAjoDQe4qz/zE0XFUqFTwLlMA8GA1UdEwEB
/wQFMAMBAf8wBQYDK2VwA0EA5/lNwTb8mxtu1qaxTcpVfFF8oQW7PQpzbVnGOM+G
JQ3IdgTytc8B6hJGVl4PsSsT415azD53XqOGM+UUCYrpDw==
-----END CERTIFICATE-----
`;

export const databaseUrl = "postgres://sessiond:canary-password@db.example:5432/sessiond";
