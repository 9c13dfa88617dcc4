/**
 * Checks manifests of custom resources, which have no schema in Kubernetes' own set, by the models of their
 * projects: their validators for values, and their types, by the compiler, for fields that do not exist.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A manifest, and where it is, for messages. */
export interface Manifest {
  readonly source: string;
  readonly content: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata?: { readonly name?: string };
  };
}

const MODELS = join(import.meta.dirname, "node_modules", "@kubernetes-models");
const PACKAGES: Readonly<Record<string, string>> = {
  "gateway.envoyproxy.io": "envoy-gateway",
  "gateway.networking.k8s.io": "gateway-api",
  "install.istio.io": "istio",
  "monitoring.coreos.com": "prometheus-operator",
  "networking.istio.io": "istio",
  "security.istio.io": "istio",
  "telemetry.istio.io": "istio",
};

/** Fields that the projects have and their newest models do not, by kind. */
const NEWER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  // Envoy Gateway 1.8 has it. A test of docs/envoy.md checks its value.
  SecurityPolicy: ["spec.extAuth.statusOnError"],
};

/** Whether a manifest is a custom resource, so that Kubernetes' own schemas do not have it. */
export function isCustom({ content }: Manifest): boolean {
  const [group = ""] = content.apiVersion.split("/");
  return group in PACKAGES || (group.includes(".") && !group.endsWith(".k8s.io"));
}

/** The module of a manifest's model. Throws if there is none. */
function modelOf({ content: { apiVersion, kind } }: Manifest): string {
  const [group = ""] = apiVersion.split("/");
  const path = join(MODELS, PACKAGES[group] ?? "none", apiVersion, `${kind}.js`);
  if (!existsSync(path)) throw new Error(`there is no model of ${apiVersion} ${kind}`);
  return path;
}

const nameOf = ({ source, content }: Manifest) =>
  `${source}: ${content.kind} ${content.metadata?.name ?? ""}`;

/** The manifest without the fields that its model is too old for. */
function withoutNewerFields(manifest: Manifest): Manifest {
  const content = structuredClone(manifest.content);
  for (const path of NEWER_FIELDS[content.kind] ?? []) {
    const parents = path.split(".");
    const field = parents.pop() ?? "";
    let parent: unknown = content;
    for (const name of parents) parent = (parent as Record<string, unknown> | undefined)?.[name];
    if (parent !== undefined) delete (parent as Record<string, unknown>)[field];
  }
  return { ...manifest, content };
}

/** The exceptions that no manifest needs: none has the field, or the model knows it by now. */
function outdatedExceptions(manifests: readonly Manifest[], file: string, tsc: string): string[] {
  return Object.entries(NEWER_FIELDS).flatMap(([kind, paths]) => {
    const excepted = manifests.filter(({ content }) => content.kind === kind);
    const known = excepted.length > 0 && typeErrors(excepted, file, tsc).length === 0;
    return known ? [`no ${kind} needs the exception for ${paths.join(", ")}`] : [];
  });
}

/** What the models' validators say. */
async function violations(manifest: Manifest): Promise<string[]> {
  const { apiVersion: _, kind, ...rest } = manifest.content;
  try {
    const { [kind]: Model } = await import(modelOf(manifest));
    new Model(rest).validate();
    return [];
  } catch (error) {
    return [`${nameOf(manifest)}: ${(error as Error).message}`];
  }
}

/** What the compiler says of the manifests as literals of the models' types. */
function typeErrors(manifests: readonly Manifest[], file: string, tsc: string): string[] {
  const lines = manifests.flatMap((manifest, index) => {
    const { kind } = manifest.content;
    const literal = JSON.stringify(manifest.content, undefined, 2);
    return [
      `import type { I${kind} as Model${index} } from ${JSON.stringify(modelOf(manifest))};`,
      `// ${nameOf(manifest)}`,
      `export const manifest${index}: Model${index} = ${literal};`,
    ];
  });
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, lines.join("\n"));
  const options = ["--noEmit", "--ignoreConfig", "--strict", "--skipLibCheck", "--types", ""];
  const modules = ["--module", "nodenext", "--target", "es2024"];
  try {
    execFileSync(process.execPath, [tsc, ...options, ...modules, file], { encoding: "utf8" });
    return [];
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    if (!stdout) throw error;
    return stdout.trim().split("\n");
  }
}

/**
 * What is wrong with the manifests.
 *
 * @param file where the literals of the manifests go, for the compiler
 * @param tsc the compiler's main file
 */
export async function checkCustomResources(
  manifests: readonly Manifest[],
  file: string,
  tsc: string,
): Promise<string[]> {
  const unknown = manifests.flatMap((manifest) => {
    try {
      modelOf(manifest);
      return [];
    } catch (error) {
      return [`${nameOf(manifest)}: ${(error as Error).message}`];
    }
  });
  if (unknown.length > 0) return unknown;
  const known = manifests.map(withoutNewerFields);
  const found = await Promise.all(known.map(violations));
  const outdated = outdatedExceptions(manifests, file, tsc);
  return [...found.flat(), ...outdated, ...typeErrors(known, file, tsc)];
}
