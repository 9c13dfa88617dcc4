/**
 * Makes deploy/kubernetes/ from the chart, for those who do not use Helm, and the chart's copy of the
 * Prometheus rules, since Helm reads nothing outside of a chart. With `--check` it writes nothing and fails
 * if a file is out of step. The manifests need helm; without it, `--check` compares the rules only.
 */
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Document, isMap, isScalar, parseAllDocuments } from "yaml";
import { ciTool } from "./ci-tools.ts";

const root = join(import.meta.dirname, "..");
const chart = "deploy/helm/sessiond";
const target = "deploy/kubernetes";
const HEADER = `# Made from ${chart} by \`npm run manifests\`: edit there.\n`;

/** Which kinds are in which file. A pod is the chart's own test, which \`helm test\` starts. */
const FILES: Readonly<Record<string, string | undefined>> = {
  ServiceAccount: "serviceaccount.yaml",
  Deployment: "deployment.yaml",
  Service: "service.yaml",
  PodDisruptionBudget: "poddisruptionbudget.yaml",
  HorizontalPodAutoscaler: "horizontalpodautoscaler.yaml",
  NetworkPolicy: "networkpolicy.yaml",
  Job: "migration/job.yaml",
  ServiceMonitor: "monitoring/servicemonitor.yaml",
  PrometheusRule: "monitoring/prometheusrule.yaml",
  Pod: undefined,
};

/** By hand, and in the list of what kustomize applies. */
const NAMESPACE = "namespace.yaml";

/** Takes out what only Helm uses, and the namespace, which kustomization.yaml sets. */
function withoutHelm(document: Document): Document {
  document.deleteIn(["metadata", "namespace"]);
  for (const part of ["labels", "annotations"]) {
    const entries = document.getIn(["metadata", part]);
    if (!isMap(entries)) continue;
    entries.items = entries.items.filter(({ key }) => {
      const name = isScalar(key) ? String(key.value) : "";
      return !name.startsWith("helm.sh/") && name !== "app.kubernetes.io/managed-by";
    });
    if (entries.items.length === 0) document.deleteIn(["metadata", part]);
  }
  return document;
}

/** The plain manifests by their path below deploy/kubernetes, from what helm prints. */
export function manifestFiles(rendered: string): Map<string, string> {
  const documents = new Map<string, string[]>();
  for (const document of parseAllDocuments(rendered) as Document[]) {
    const kind = String(document.get("kind"));
    if (!(kind in FILES)) throw new Error(`scripts/manifests.ts has no file for a ${kind}`);
    const file = FILES[kind];
    if (file === undefined) continue;
    // The comment with the template's name is Helm's, too.
    const text = withoutHelm(document)
      .toString({ lineWidth: 0 })
      .replace(/^(---\n|# Source: .*\n)+/, "");
    documents.set(file, [...(documents.get(file) ?? []), text]);
  }
  const files = new Map(
    [...documents].map(([file, texts]) => [file, `${HEADER}${texts.join("---\n")}`]),
  );
  for (const directory of new Set([...files.keys()].map(dirname))) {
    const resources = [...files.keys()].filter((file) => dirname(file) === directory);
    if (directory === ".") resources.unshift(NAMESPACE);
    const kustomization = [
      `${HEADER}apiVersion: kustomize.config.k8s.io/v1beta1`,
      "kind: Kustomization",
      "namespace: sessiond",
      "resources:",
      ...resources.map((file) => `  - ${basename(file)}`),
      "",
    ];
    files.set(join(directory, "kustomization.yaml"), kustomization.join("\n"));
  }
  return files;
}

/** The chart's copy of the Prometheus rules, by its path relative to the project. */
function ruleCopies(): Map<string, string> {
  const sources = globSync("deploy/prometheus/{rules,alerts}.yaml", { cwd: root }).sort();
  return new Map(
    sources.map((source) => {
      const header = `# A copy of ${source} by \`npm run manifests\`: edit there.\n`;
      const copy = join(chart, "files/prometheus", basename(source));
      return [copy, header + readFileSync(join(root, source), "utf8")];
    }),
  );
}

function render(helm: string): string {
  const args = ["template", "sessiond", chart, "--namespace", "sessiond"];
  const options = { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  return execFileSync(helm, [...args, "--values", join(target, "values.yaml")], options);
}

/** Those files that are not as they should be. */
function differing(files: ReadonlyMap<string, string>): string[] {
  const read = (file: string) => {
    try {
      return readFileSync(join(root, file), "utf8");
    } catch {
      return undefined;
    }
  };
  return [...files].filter(([file, text]) => read(file) !== text).map(([file]) => file);
}

function write(files: ReadonlyMap<string, string>): void {
  for (const [file, text] of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
}

/** Files that an earlier run has made, and this one does not. */
function leftovers(files: ReadonlyMap<string, string>): string[] {
  return globSync(`${target}/**/*.yaml`, { cwd: root }).filter(
    (file) => !files.has(file) && readFileSync(join(root, file), "utf8").startsWith(HEADER),
  );
}

function madeFiles(helm: string): Map<string, string> {
  return new Map(
    [...manifestFiles(render(helm))].map(([file, text]) => [join(target, file), text]),
  );
}

/** The files that `npm run manifests` would change. Without helm, only the copies of rules are compared. */
export function outOfStep(helm: string | undefined): string[] {
  const copies = differing(ruleCopies());
  if (helm === undefined) return copies;
  const files = madeFiles(helm);
  return [...copies, ...differing(files), ...leftovers(files)];
}

function makeAll(helm: string): void {
  // The manifests contain the rules.
  write(ruleCopies());
  const files = madeFiles(helm);
  for (const file of leftovers(files)) rmSync(join(root, file));
  write(files);
}

function main(): void {
  const helm = ciTool("helm");
  if (!process.argv.includes("--check")) {
    if (helm === undefined) {
      console.error("manifests: helm is missing; `npm run ci-tools -- helm` installs it, with Go");
      process.exitCode = 1;
    } else makeAll(helm);
    return;
  }
  if (helm === undefined) console.log("manifests: there is no helm, so only rules are compared");
  const files = outOfStep(helm);
  if (files.length === 0) return;
  console.error(`out of step: ${files.join(", ")}. Run \`npm run manifests\``);
  process.exitCode = 1;
}

if (import.meta.main) main();
