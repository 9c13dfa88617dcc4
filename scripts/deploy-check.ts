/**
 * Checks deploy/: `npm run deploy-check`. The Dockerfile by hadolint, the chart by helm, what it renders and
 * the plain manifests by kubeconform, kubernetes-validate and the models of custom resources, the YAML of
 * docs/envoy.md likewise, the Compose file and Istio's mesh configuration by their own libraries, and the
 * tests of test/deploy, which skip nothing here. Needs Go, Python and systemd-analyze; installs the rest into
 * .tools/.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Manifest } from "../deploy/check/custom-resources.ts";
import { ciTool, installCiTools } from "./ci-tools.ts";
import { PageError } from "./client-pages/page.ts";
import { followDeployPage } from "./deploy-page.ts";

const root = join(import.meta.dirname, "..");
const check = join(root, "deploy", "check");
const work = join(root, ".tools", "deploy-check");
const chart = "deploy/helm/sessiond";
const python = join(work, "venv", "bin");

/** What a step has found wrong. Its message is enough, without a stack trace. */
class CheckError extends Error {}

/** Whether the message says all that there is to know. */
function isExplained(error: unknown): error is Error {
  return error instanceof CheckError || error instanceof PageError;
}

function run(program: string, args: readonly string[], options: { input?: string } = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    ...options,
  });
  if (status === 0) return stdout;
  throw new CheckError(`${[program, ...args].join(" ")}\n${error?.message ?? stdout + stderr}`);
}

/** The program of scripts/ci-tools.ts. */
function tool(name: string): string {
  return ciTool(name) ?? name;
}

function install(): void {
  run("npm", ["ci", "--prefix", check, "--no-audit", "--no-fund"]);
  const requirements = join(check, "requirements.txt");
  run("python3", ["-m", "venv", join(work, "venv")]);
  run(join(python, "pip"), ["install", "--quiet", "--requirement", requirements]);
  installCiTools();
}

/** The manifests of a text of YAML. `source` is for messages. */
function manifestsIn(yaml: string, source: string): Manifest[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new CheckError(`${source}: ${error.message}`);
    const content = document.toJSON();
    return content?.kind === undefined ? [] : [{ source, content }];
  });
}

/** What helm makes of each file of values. */
function renderedManifests(): Manifest[] {
  return globSync(`${chart}/ci/*.yaml`, { cwd: root }).flatMap((values) => {
    const args = ["template", "sessiond", chart, "--namespace", "identity", "--values", values];
    return manifestsIn(run(tool("helm"), args), `the chart with ${basename(values)}`);
  });
}

function lint(): void {
  for (const values of globSync(`${chart}/ci/*.yaml`, { cwd: root })) {
    run(tool("helm"), ["lint", "--strict", "--values", values, chart]);
  }
}

function plainManifests(): Manifest[] {
  return globSync("deploy/kubernetes/**/*.yaml", { cwd: root })
    .filter((file) => !/^(values|kustomization)\.yaml$/.test(basename(file)))
    .flatMap((file) => manifestsIn(readFileSync(join(root, file), "utf8"), file));
}

/** Those of a page's blocks that have a kind: all that is to be applied. */
function pageManifests(page: string): Manifest[] {
  const path = join(root, page);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const blocks = text.matchAll(/^```yaml.*\n([\s\S]*?)^```$/gm);
  return [...blocks].flatMap(({ 1: block = "", index }) =>
    manifestsIn(block, `${page}:${text.slice(0, index).split("\n").length}`),
  );
}

/** Kubernetes' own kinds, by two programs with the same schemas. */
async function checkResources(manifests: readonly Manifest[]): Promise<void> {
  const { copySchemas } = await import("../deploy/check/schemas.ts");
  const { isCustom } = await import("../deploy/check/custom-resources.ts");
  const schemas = copySchemas(join(python, "python3"), join(work, "schemas"));
  const kubeconform = (files: readonly string[]) => {
    const options = ["-strict", "-summary", "-kubernetes-version", schemas.version];
    return run(tool("kubeconform"), [...options, "-schema-location", schemas.location, ...files]);
  };
  const validate = (files: readonly string[]) =>
    run(join(python, "kubernetes-validate"), ["--strict", "--quiet", ...files]);
  const directory = join(work, "manifests");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const files = manifests
    .filter((manifest) => !isCustom(manifest))
    .map(({ source, content }, index) => {
      const name = `${index}-${source.replace(/[^\w.-]+/g, "_")}-${content.kind}.json`;
      writeFileSync(join(directory, name), JSON.stringify(content));
      return join(directory, name);
    });
  console.log(kubeconform(files).trim());
  validate(files);

  // A schema that is not found, or does not compile, must not pass for a manifest without faults.
  const misspelt = join(directory, "misspelt.json");
  const service = { apiVersion: "v1", kind: "Service", metadata: { name: "a" } };
  writeFileSync(misspelt, JSON.stringify({ ...service, spec: { prts: [] } }));
  mustRefuse("prts", () => kubeconform([misspelt]));
  mustRefuse("prts", () => validate([misspelt]));
}

/** Fails if a check that must fail, because of the given word, does not. */
function mustRefuse(word: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof CheckError && error.message.includes(word)) return;
    throw error;
  }
  throw new CheckError(`a manifest with the field ${word}, which does not exist, passes`);
}

async function checkCustom(manifests: readonly Manifest[]): Promise<void> {
  const { checkCustomResources, isCustom } = await import("../deploy/check/custom-resources.ts");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const problems = (checked: readonly Manifest[]) =>
    checkCustomResources(checked, join(work, "custom-resources.ts"), tsc);
  const custom = manifests.filter(isCustom);
  const found = await problems(custom);
  if (found.length > 0) throw new CheckError(found.join("\n"));
  console.log(`${custom.length} custom resources`);

  const [first] = custom;
  if (first === undefined) throw new CheckError("there is no custom resource");
  const misspelt = await problems([{ ...first, content: { ...first.content, spc: {} } as never }]);
  mustRefuse("spc", () => {
    if (misspelt.length > 0) throw new CheckError(misspelt.join("\n"));
  });
}

function checkGo(): void {
  run("go", ["-C", check, "vet", "./..."]);
  console.log(run("go", ["-C", check, "test", "./..."]).trim());
}

function test(): void {
  const env = { ...process.env, REQUIRE_HELM: "1", REQUIRE_SYSTEMD: "1" };
  const files = globSync("test/deploy/*.test.ts", { cwd: root }).sort();
  execFileSync(process.execPath, ["scripts/test.ts", ...files], {
    cwd: root,
    env,
    stdio: "inherit",
  });
}

async function main(): Promise<void> {
  mkdirSync(work, { recursive: true });
  const all: Manifest[] = [];
  const steps: Readonly<Record<string, () => void | Promise<void>>> = {
    "tools and manifests": () => {
      install();
      all.push(...renderedManifests(), ...plainManifests(), ...pageManifests("docs/envoy.md"));
    },
    Dockerfile: () => void run(join(python, "hadolint"), ["Dockerfile"]),
    "the chart's values": lint,
    "plain manifests in step": () =>
      void run(process.execPath, ["scripts/manifests.ts", "--check"]),
    "Kubernetes' resources": () => checkResources(all),
    "custom resources": () => checkCustom(all),
    "Compose file and mesh configuration": checkGo,
    tests: test,
    "docs/deploy.md": async () => {
      const { commands } = await followDeployPage();
      console.log(`${commands} commands`);
    },
  };
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      console.log(`ok      ${name}`);
    } catch (error) {
      console.error(`FAILED  ${name}\n${isExplained(error) ? error.message : error}`);
      process.exitCode = 1;
    }
  }
}

await main();
