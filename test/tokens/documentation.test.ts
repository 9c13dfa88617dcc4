import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/config.ts";
import { KEEP_PUBLISHED_MS, MAX_TOKEN_LIFETIME_MS } from "../../src/session/token-key.ts";
import { findTool } from "../http2-tools/tool-server.ts";
import { openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { blockOf, readPage } from "../support/documentation.ts";
import { tokenFor, verify } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const page = readPage("tokens.md");
const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");

/** What a block does, with sessiond's address instead of that of the page. */
const at = (url: string, block: string) =>
  block.replaceAll("https://sessiond.internal:8480", url).replaceAll("http://127.0.0.1:8480", url);

/** The settings that the page shows. */
function shownSettings(): Record<string, string> {
  const lines = blockOf(page, "settings").trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => line.replace("export ", "").split("=") as [string, string]),
  );
}

describe("docs/tokens.md", () => {
  let app: TestApp;
  let directory: string;
  let token: string;
  before(async () => {
    app = await startTestApp({ env: shownSettings() });
    directory = await mkdtemp(join(tmpdir(), "sessiond-tokens-"));
    const { cookie } = await openSession(app.client);
    token = await tokenFor(app.client, cookie);
  });
  after(async () => {
    await rm(directory, { recursive: true });
    await app.stop();
  });

  it("says what a token costs in revocation, as the settings and the contract do (H06)", () => {
    const cost = "valid until it expires, also if the session is revoked before";
    const texts = {
      page,
      settings: readPage("configuration.md"),
      contract: readFileSync(join(ROOT, "proto/sessiond/v1/session_service.proto"), "utf8"),
    };
    for (const [where, text] of Object.entries(texts)) {
      const words = text.replaceAll(/\s*\/\/\s*/g, " ").replaceAll(/\s+/g, " ");
      expect(words, where).to.include(cost);
    }
    const rows = readPage("configuration.md")
      .split("\n")
      .filter((row) => row.includes(cost));
    expect(rows.map((row) => row.split("`")[1])).to.deep.equal([
      "SESSIOND_TOKEN_ISSUER",
      "SESSIOND_TOKEN_LIFETIME",
    ]);
  });

  it("has the times that are in force", () => {
    const { tokens } = loadConfig(shownSettings());
    expect(tokens?.lifetimeMs).to.equal(60_000);
    expect(page).to.include("(1 minute by default, 5 minutes at most)");
    expect(MAX_TOKEN_LIFETIME_MS).to.equal(5 * 60_000);
    expect(tokens?.keys.publishDelayMs).to.equal(10 * 60_000);
    expect(page).to.include("`SESSIOND_TOKEN_KEY_PUBLISH_DELAY` later (10 minutes)");
    expect(KEEP_PUBLISHED_MS).to.equal(6 * 60_000);
    expect(page).to.include("6 minutes after that");
  });

  it("has a call that returns a token, and one that rotates (H01, H08)", async () => {
    const { cookie } = await openSession(app.client);
    const env = { ...process.env, COOKIE: cookie };
    const shell = (title: string) => run("sh", ["-ec", at(app.url, blockOf(page, title))], { env });
    const answer = JSON.parse((await shell("validate")).stdout);
    expect(answer).to.include.keys("token", "tokenExpiresAt");
    const rotated = JSON.parse((await shell("rotate")).stdout);
    expect(rotated.newKey.state).to.equal("TOKEN_KEY_STATE_ACTIVE");
    expect(rotated.retiredKeys).to.have.length(1);
    ({ token } = JSON.parse((await shell("validate")).stdout));
  });

  it("has TypeScript that accepts a token, and no other (H03)", async () => {
    const file = join(ROOT, "test/tokens", `.verify-${process.pid}.ts`);
    await writeFile(file, at(app.url, blockOf(page, "verify.ts")));
    try {
      const { verified } = await import(file);
      expect(await verified(token)).to.include({ aud: "orders", tenant_id: "default" });
      const { cookie } = await openSession(app.client);
      const other = await tokenFor(app.client, cookie, { tokenAudience: "billing" });
      for (const wrong of [other, `${token.slice(0, -4)}AAAA`, "x"]) {
        const error = await verified(wrong).catch((thrown: unknown) => thrown);
        expect(error)
          .to.have.property("code")
          .that.matches(/^ERR_J/);
      }
    } finally {
      await rm(file);
    }
  });

  it("has a filter for Envoy that accepts a token, and no other", async function () {
    const program = findTool("envoy");
    if (program === undefined) return this.skip();
    const adminFile = join(directory, "admin");
    const configFile = join(directory, "envoy.json");
    const filter = parse(blockOf(page, "jwt_authn"));
    await writeFile(configFile, JSON.stringify(envoyWith(filter, app.app.server.port)));
    const args = ["--config-path", configFile, "--admin-address-path", adminFile];
    args.push("--disable-hot-restart", "--concurrency", "1", "--log-level", "error");
    const child = spawn(program, args, { stdio: "ignore" });
    try {
      const admin = await until("Envoy's administration listens", async () => {
        const content = await readFile(adminFile, "utf8").catch(() => "");
        return content !== "" && content;
      });
      const port = await until("Envoy listens", async () => {
        const ready = await fetch(`http://${admin}/ready`);
        const listeners = await fetch(`http://${admin}/listeners?format=json`);
        const { listener_statuses: statuses } = (await listeners.json()) as Listeners;
        return ready.status === 200 && statuses?.[0]?.local_address.socket_address.port_value;
      });
      const statusWith = async (value?: string) => {
        const headers = value === undefined ? {} : { "x-session-token": value };
        return (await fetch(`http://127.0.0.1:${port}/`, { headers })).status;
      };
      await until("Envoy has the keys", async () => (await statusWith(token)) === 200);
      const { cookie } = await openSession(app.client);
      const other = await tokenFor(app.client, cookie, { tokenAudience: "billing" });
      const answers = [undefined, "x", `${token.slice(0, -4)}AAAA`, other].map(statusWith);
      expect(await Promise.all(answers)).to.deep.equal([401, 401, 401, 403]);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  it("lists all that is in a token (H05)", async () => {
    const { cookie } = await openSession(app.client, { authMethods: ["pwd"], authLevel: 1 });
    const issued = await tokenFor(app.client, cookie);
    const settings = shownSettings();
    expect(settings.SESSIOND_TOKEN_ISSUER).to.equal("https://sessiond.example.com");
    const { payload, protectedHeader } = await verify(
      issued,
      app.url,
      "orders",
      settings.SESSIOND_TOKEN_ISSUER,
    );
    const table = page.slice(page.indexOf("## What is in a token"), page.indexOf("## Verifying"));
    for (const name of [...Object.keys(payload), ...Object.keys(protectedHeader)]) {
      expect(table).to.include(`\`${name}\``);
    }
  });
});

interface Listeners {
  readonly listener_statuses?: readonly {
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const typed = (name: string, value: object) => ({
  "@type": `type.googleapis.com/envoy.extensions.filters.${name}`,
  ...value,
});

/** Envoy with the filter before an answer of its own, and sessiond as the cluster of that name. */
function envoyWith(filter: object, port: number): object {
  const manager = typed("network.http_connection_manager.v3.HttpConnectionManager", {
    stat_prefix: "ingress",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }],
        },
      ],
    },
    http_filters: [filter, { name: "router", typed_config: typed("http.router.v3.Router", {}) }],
  });
  const filters = [{ name: "http", typed_config: manager }];
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  return {
    admin: { address: address(0) },
    static_resources: {
      listeners: [{ address: address(0), filter_chains: [{ filters }] }],
      clusters: [{ name: "sessiond", load_assignment: { cluster_name: "sessiond", endpoints } }],
    },
  };
}
