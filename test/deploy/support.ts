/** What the tests of deploy/ have in common. */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { ciTool } from "../../scripts/ci-tools.ts";
import { loadConfig } from "../../src/config/config.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";

export const ROOT = join(import.meta.dirname, "..", "..");
export const CHART = "deploy/helm/sessiond";

// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds, which deploy-check compares with their schemas
export type Resource = any;

/** The files of values that the chart is tested with, by name. */
export const VALUE_FILES: ReadonlyMap<string, string> = new Map(
  globSync(`${CHART}/ci/*.yaml`, { cwd: ROOT })
    .sort()
    .map((path) => [basename(path, ".yaml"), readFileSync(join(ROOT, path), "utf8")]),
);

/**
 * helm, or undefined if it is not installed.
 *
 * @throws {Error} if it is not installed and REQUIRE_HELM=1 says that it must be
 */
export function findHelm(): string | undefined {
  const helm = ciTool("helm");
  if (helm === undefined && process.env.REQUIRE_HELM === "1") {
    throw new Error("helm is not installed, and REQUIRE_HELM=1");
  }
  return helm;
}

export interface Rendered {
  readonly status: number | null;
  readonly resources: readonly Resource[];
  readonly stderr: string;
}

/** What the chart makes of values: a text of YAML, or the values themselves. */
export function render(helm: string, values: string | object): Rendered {
  const input = typeof values === "string" ? values : stringify(values);
  const args = ["template", "sessiond", CHART, "--namespace", "identity", "--values", "-"];
  const { status, stdout, stderr } = spawnSync(helm, args, { cwd: ROOT, encoding: "utf8", input });
  const resources = parseAllDocuments(stdout).map((document) => document.toJSON());
  return { status, resources: resources.filter((resource) => resource !== null), stderr };
}

/** The specification of the pods of a Deployment, a Job or a Pod. */
export function podOf(resource: Resource): Resource {
  return resource.spec.template?.spec ?? resource.spec;
}

/** Contents of the files that containers mount, by the last part of their path. */
const FILES: Readonly<Record<string, string>> = {
  "database-url": "postgres://sessiond:secret@postgres:5432/sessiond\n",
  "key-encryption-keys": `${Buffer.alloc(32, 1).toString("base64")}\n`,
  "tls.crt": testCertificate,
  "tls.key": testKey,
  "ca.crt": testCertificate,
};

/**
 * The configuration that sessiond reads from an environment, with usual contents of the files.
 *
 * @throws {Error} if it would not start, or if a file is not among those that are mounted
 */
export function configurationOf(env: Readonly<Record<string, string>>, mounted: readonly string[]) {
  return loadConfig(env, (path) => {
    const content = FILES[basename(path)];
    if (content === undefined || !mounted.includes(path)) throw new Error(`${path} is not mounted`);
    return content;
  });
}
