import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse, parseAllDocuments } from "yaml";
import { settingNames } from "../../src/config/settings.ts";
import { allowed } from "../../src/rpc/envoy/check-response.ts";
import { parseRouteOptions } from "../../src/rpc/envoy/route-options.ts";
import { aSession } from "../support/session-fixtures.ts";
import { connectionManagerOf, shippedConfiguration } from "./shipped-envoy.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/envoy.md"), "utf8");

/** The rows of the table in the section, by their first cells. */
function rowsOf(section: string): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  );
}

function manifests(): { readonly kind?: string; readonly spec?: unknown }[] {
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, block = ""]) =>
    parseAllDocuments(block).map((document) => {
      expect(document.errors, block).to.deep.equal([]);
      return document.toJSON();
    }),
  );
}

interface ContourRoute {
  readonly authPolicy?: { readonly disabled?: boolean };
  readonly requestHeadersPolicy?: object;
}

function contourRoutes(): readonly ContourRoute[] {
  const [, yaml = ""] = /^```text\n(routes:\n[\s\S]*?)^```$/m.exec(page) ?? [];
  const { routes } = parse(yaml) as { routes: readonly ContourRoute[] };
  expect(routes.some(({ authPolicy }) => authPolicy?.disabled)).to.equal(true);
  return routes;
}

describe("docs/envoy.md", () => {
  it("has manifests that are YAML", () => {
    const kinds = manifests().map(({ kind }) => kind);
    expect(kinds).to.include.members(["EnvoyFilter", "AuthorizationPolicy", "SecurityPolicy"]);
  });

  it("has Envoy Gateway answer 503 where sessiond does not answer", () => {
    const policies = manifests().filter(({ kind }) => kind === "SecurityPolicy");
    const auth = policies.map(({ spec }) => (spec as { extAuth: object }).extAuth);
    expect(auth).to.have.length(1);
    expect(auth[0]).to.include({ failOpen: false, statusOnError: 503 });
  });

  it("documents each context extension", () => {
    let known = "";
    try {
      parseRouteOptions({ unknown: "" });
    } catch (error) {
      known = (error as Error).message;
    }
    expect(rowsOf("Routes")).to.deep.equal(known.split("there are ")[1]?.split(", "));
  });

  it("documents each header, and every configuration removes it", async () => {
    const { httpResponse } = allowed(aSession(), undefined);
    const headers = httpResponse.case === "okResponse" ? httpResponse.value.headers : [];
    const names = headers.map(({ header }) => header?.key ?? "");
    expect(rowsOf("What upstreams get")).to.have.members(names);
    const removed = [...names, "x-session-token"];
    for (const name of removed) {
      expect(page.match(new RegExp(`remove: ${name}\n`, "g")), name).to.have.length(1);
      expect(page.match(new RegExp(`^ {8}- ${name}\n`, "gm")), name).to.have.length(2);
    }
    // Contour removes after ext_authz: on routes with the check, that would be sessiond's own headers.
    for (const { authPolicy, requestHeadersPolicy } of contourRoutes()) {
      const expected = authPolicy?.disabled ? { remove: removed } : undefined;
      expect(requestHeadersPolicy).to.deep.equal(expected);
    }
    const servers = { application: "http://127.0.0.1:1", sessiond: "http://127.0.0.1:2" };
    const [mutation] = connectionManagerOf(await shippedConfiguration(servers)).http_filters;
    expect(mutation?.typed_config.mutations).to.deep.equal({
      request_mutations: removed.map((remove) => ({ remove })),
    });
  });

  it("names settings that exist", () => {
    const named = new Set(page.match(/SESSIOND_[A-Z_]+[A-Z]/g));
    expect(
      [...named].filter((name) => !(settingNames as readonly string[]).includes(name)),
    ).to.deep.equal([]);
  });
});
