import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { parseCallersFile } from "../../src/callers/callers-file.ts";
import { loadConfig } from "../../src/config/config.ts";
import { ROOT } from "./support.ts";

const SOURCE = join(ROOT, "deploy", "compose");
const compose = parse(readFileSync(join(SOURCE, "compose.yaml"), "utf8"), { merge: true });

describe("the Compose file", () => {
  let deploy: string;
  let directory: string;
  const secret = (name: string) => readFileSync(join(directory, "secrets", name), "utf8");

  before(() => {
    deploy = mkdtempSync(join(tmpdir(), "sessiond-compose-"));
    directory = join(deploy, "compose");
    cpSync(join(SOURCE, "prepare"), join(directory, "prepare"));
    cpSync(join(SOURCE, "../envoy/envoy.yaml"), join(deploy, "envoy/envoy.yaml"));
    execFileSync(join(directory, "prepare"), { stdio: "pipe" });
  });

  after(() => rmSync(deploy, { recursive: true, force: true }));

  for (const name of ["sessiond", "migrate"]) {
    it(`gives ${name} settings that it starts with (N06)`, () => {
      const { environment, secrets } = compose.services[name];
      const readFile = (path: string) => {
        expect(secrets).to.include(basename(path));
        return secret(basename(compose.secrets[basename(path)].file));
      };
      const { database } = loadConfig({ SESSIOND_HOST: "0.0.0.0", ...environment }, readFile);
      const password = secret("database-password").trim();
      expect(database.url).to.equal(`postgres://sessiond:${password}@postgres:5432/sessiond`);
    });
  }

  it("has callers whose tokens are made with its secrets (N06)", () => {
    const callers = secret("callers.jsonl");
    parseCallersFile(callers, { jwts: false, certificates: false });
    const [, envoyToken = ""] =
      /^ *initial_metadata: .* value: Bearer (\S+) /m.exec(secret("envoy.yaml")) ?? [];
    const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");
    const lines = callers.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).to.deep.equal([
      { name: "shop", role: "issuer", token_sha256: hashOf(secret("shop.token").trim()) },
      { name: "envoy", role: "validator", token_sha256: hashOf(envoyToken) },
    ]);
  });

  it("gives Envoy the configuration of deploy/envoy with its token, and nothing else (N06)", () => {
    const { static_resources } = parse(secret("envoy.yaml"));
    const filters =
      static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters;
    const { typed_config } = filters.find(
      ({ name }: { name: string }) => name === "envoy.filters.http.ext_authz",
    );
    const { grpc_service } = typed_config;
    expect(grpc_service.initial_metadata).to.have.length(1);
    delete grpc_service.initial_metadata;
    const shipped = parse(readFileSync(join(deploy, "envoy/envoy.yaml"), "utf8"));
    expect(static_resources).to.deep.equal(shipped.static_resources);
  });

  it("keeps its secrets from other users of the machine, and from a second run (N06)", () => {
    expect(statSync(join(directory, "secrets")).mode & 0o777).to.equal(0o700);
    const before = secret("key-encryption-keys");
    execFileSync(join(directory, "prepare"), { stdio: "pipe" });
    expect(secret("key-encryption-keys")).to.equal(before);
  });

  it("stops sessiond no earlier than it has finished (N06)", () => {
    const { environment, secrets: _, stop_grace_period } = compose.services.sessiond;
    const { SESSIOND_DRAIN_DELAY } = environment;
    const { server } = loadConfig({ SESSIOND_DRAIN_DELAY });
    const atMost = (server.drainDelayMs + server.shutdownGraceMs) / 1000;
    expect(Number.parseInt(stop_grace_period, 10)).to.be.above(atMost);
  });
});
