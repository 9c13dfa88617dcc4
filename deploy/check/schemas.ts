/**
 * Kubernetes' own JSON schemas in the form that kubeconform reads. Those that it fetches by default are on
 * the web; kubernetes-validate's package contains them, with references that only it resolves.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Schemas {
  /** The option -schema-location of kubeconform. */
  readonly location: string;
  /** Kubernetes' version. */
  readonly version: string;
}

/**
 * Copies the strict schemas of the newest version.
 *
 * @param python one that has kubernetes-validate
 * @param directory where to; what is there is removed
 */
export function copySchemas(python: string, directory: string): Schemas {
  const locate = "import kubernetes_validate as k; print(k.__path__[0]); print(k.latest_version())";
  const printed = execFileSync(python, ["-c", locate], { encoding: "utf8" });
  const [packageDirectory = "", version = ""] = printed.split("\n");
  const source = join(packageDirectory, "kubernetes-json-schema", `v${version}-local-strict`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(source)) {
    const schema = JSON.parse(readFileSync(join(source, file), "utf8"));
    // References are relative to it if there is one, and else to the file.
    delete schema.$id;
    const text = JSON.stringify(schema).replaceAll("/api/_definitions.json#", "_definitions.json#");
    writeFileSync(join(directory, file), text);
  }
  return { location: `${directory}/{{.ResourceKind}}{{.KindSuffix}}.json`, version };
}
