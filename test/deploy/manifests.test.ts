import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect } from "chai";
import { parse, parseAllDocuments } from "yaml";
import { manifestFiles, outOfStep } from "../../scripts/manifests.ts";
import { findHelm, podOf, ROOT } from "./support.ts";

const DIRECTORY = join(ROOT, "deploy", "kubernetes");
const files = globSync("**/*.yaml", { cwd: DIRECTORY }).sort();
const isManifest = (file: string) => !/^(values|kustomization)\.yaml$/.test(basename(file));
const read = (file: string) => readFileSync(join(DIRECTORY, file), "utf8");

describe("the plain manifests", () => {
  it("are what the chart makes of their values (N03)", function () {
    const helm = findHelm();
    if (helm === undefined) this.skip();
    expect(outOfStep(helm)).to.deep.equal([]);
  });

  it("are all applied by kustomize (N03)", () => {
    for (const file of files.filter((path) => basename(path) === "kustomization.yaml")) {
      const beside = files.filter((path) => dirname(path) === dirname(file) && isManifest(path));
      const { resources } = parse(read(file));
      expect(resources.toSorted(), file).to.deep.equal(beside.map((path) => basename(path)));
    }
  });

  it("have nothing in them that only Helm uses (N03)", () => {
    for (const file of files.filter(isManifest)) {
      const content = read(file).replace(/^#.*/gm, "");
      expect(content, file).not.to.match(/helm/i);
    }
  });

  it("have pods that the strictest of the pod security standards admits (N03)", () => {
    const level = "pod-security.kubernetes.io/enforce";
    expect(parse(read("namespace.yaml")).metadata.labels[level]).to.equal("restricted");
    for (const file of ["deployment.yaml", "migration/job.yaml"]) {
      const pod = podOf(parse(read(file)));
      expect(pod.securityContext, file).to.include({ runAsNonRoot: true });
      expect(pod.securityContext.seccompProfile.type, file).to.equal("RuntimeDefault");
      for (const { securityContext } of pod.containers) {
        expect(securityContext.allowPrivilegeEscalation, file).to.equal(false);
        expect(securityContext.capabilities, file).to.deep.equal({ drop: ["ALL"] });
      }
      const kinds = pod.volumes.map((volume: object) => Object.keys(volume).sort().join());
      expect(new Set(kinds), file).to.deep.equal(new Set(["name,secret"]));
    }
  });
});

describe("making the plain manifests", () => {
  const resource = (kind: string) => `---
# Source: sessiond/templates/x.yaml
apiVersion: v1
kind: ${kind}
metadata:
  name: a
  namespace: b
  labels: {helm.sh/chart: c, app.kubernetes.io/managed-by: Helm, d: e}
  annotations: {helm.sh/hook: pre-install}
`;

  it("takes out what is Helm's, and the namespace (N03)", () => {
    const made = manifestFiles(resource("Service")).get("service.yaml") ?? "";
    const [document] = parseAllDocuments(made);
    expect(document?.toJSON()).to.deep.equal({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", labels: { d: "e" } },
    });
    expect(made).not.to.include("# Source");
  });

  it("refuses a kind that it has no file for (N03)", () => {
    expect(() => manifestFiles(resource("Ingress"))).to.throw("no file for a Ingress");
  });
});
