import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import {
  CHART,
  configurationOf,
  findHelm,
  podOf,
  type Resource,
  ROOT,
  render,
  VALUE_FILES,
} from "./support.ts";

const minimal = parse(VALUE_FILES.get("minimal") ?? "");

function only(resources: readonly Resource[], kind: string, name = "sessiond"): Resource {
  const found = resources.filter((one) => one.kind === kind && one.metadata.name === name);
  expect(found, `${kind} ${name}`).to.have.length(1);
  return found[0];
}

/** The environment of a pod's container, as the image's own and the manifest make it. */
function environmentOf(pod: Resource): Record<string, string> {
  const own = { SESSIOND_HOST: "0.0.0.0" };
  const [container] = pod.containers;
  return Object.assign(
    own,
    ...container.env.map(({ name, value }: Resource) => ({ [name]: value })),
  );
}

/** The paths of the files that the pod's Secrets become. */
function mountedFiles(pod: Resource): string[] {
  const [container] = pod.containers;
  return container.volumeMounts.flatMap(({ name, mountPath }: Resource) => {
    const volume = pod.volumes.find((one: Resource) => one.name === name);
    const items = volume.secret.items ?? [{ path: "tls.crt" }, { path: "tls.key" }];
    return items.map(({ path }: Resource) => `${mountPath}/${path}`);
  });
}

describe("the Helm chart", () => {
  let helm: string;

  before(function () {
    const found = findHelm();
    if (found === undefined) this.skip();
    helm = found;
  });

  for (const [name, values] of VALUE_FILES) {
    describe(`with ${name}.yaml`, () => {
      let resources: readonly Resource[];

      before(() => {
        const rendered = render(helm, values);
        expect(rendered.status, rendered.stderr).to.equal(0);
        resources = rendered.resources;
      });

      it("gives its pods settings that sessiond starts with (N02)", () => {
        for (const [kind, resource] of [
          ["Deployment", "sessiond"],
          ["Job", "sessiond-migration"],
        ] as const) {
          const pod = podOf(only(resources, kind, resource));
          const config = configurationOf(environmentOf(pod), mountedFiles(pod));
          expect(config.database, kind).to.have.property("url");
        }
      });

      it("runs without privileges on a read-only root (N01, N02)", () => {
        const pods = resources.filter(({ kind }) => /^(Deployment|Job|Pod)$/.test(kind)).map(podOf);
        expect(pods).to.have.length(3);
        for (const pod of pods) {
          expect(pod.automountServiceAccountToken).to.equal(false);
          expect(pod.enableServiceLinks).to.equal(false);
          expect(pod.securityContext).to.include({ runAsNonRoot: true, runAsUser: 1000 });
          expect(pod.securityContext.seccompProfile).to.deep.equal({ type: "RuntimeDefault" });
          for (const container of pod.containers) {
            expect(container.securityContext).to.deep.equal({
              allowPrivilegeEscalation: false,
              capabilities: { drop: ["ALL"] },
              readOnlyRootFilesystem: true,
            });
          }
        }
      });

      it("probes what answers: gRPC in plain text, HTTP with TLS (N02)", () => {
        const [container] = podOf(only(resources, "Deployment")).containers;
        const { startupProbe, livenessProbe, readinessProbe } = container;
        if (parse(values).tls?.existingSecret === undefined) {
          for (const probe of [startupProbe, livenessProbe]) {
            expect(probe.grpc).to.deep.equal({ port: 8480 });
          }
          const service = "sessiond.v1.SessionService";
          expect(readinessProbe.grpc).to.deep.equal({ port: 8480, service });
        } else {
          for (const probe of [startupProbe, livenessProbe]) {
            expect(probe.httpGet).to.deep.equal({ path: "/healthz", port: 9464 });
          }
          expect(readinessProbe.httpGet).to.deep.equal({ path: "/readyz", port: 9464 });
        }
      });

      it("waits longer for the end of a pod than sessiond does (N02)", () => {
        const pod = podOf(only(resources, "Deployment"));
        const { server } = configurationOf(environmentOf(pod), mountedFiles(pod));
        const atMost = (server.drainDelayMs + server.shutdownGraceMs) / 1000;
        expect(pod.terminationGracePeriodSeconds).to.equal(atMost + 5);
      });

      it("lets each selector find the pods (N02)", () => {
        const { labels } = only(resources, "Deployment").spec.template.metadata;
        const selectors = [
          only(resources, "Deployment").spec.selector.matchLabels,
          only(resources, "PodDisruptionBudget").spec.selector.matchLabels,
          only(resources, "NetworkPolicy").spec.podSelector.matchLabels,
          ...resources.filter(({ kind }) => kind === "Service").map(({ spec }) => spec.selector),
        ];
        expect(selectors).to.have.length(6);
        for (const selector of selectors) expect(labels).to.include(selector);
      });

      it("names the protocol of the service's port (N02)", () => {
        const [port] = only(resources, "Service").spec.ports;
        const isTls = parse(values).tls?.existingSecret !== undefined;
        expect(port.appProtocol).to.equal(isTls ? "https" : "kubernetes.io/h2c");
      });
    });
  }

  it("migrates before the new pods, with a Secret that is there by then (N02)", () => {
    const { resources } = render(helm, minimal);
    const job = only(resources, "Job", "sessiond-migration");
    const secret = only(resources, "Secret", "sessiond-migration");
    expect(podOf(job).volumes[0].secret.secretName).to.equal(secret.metadata.name);
    for (const { metadata } of [job, secret]) {
      expect(metadata.annotations["helm.sh/hook"]).to.equal("pre-install,pre-upgrade");
    }
    const weight = ({ metadata }: Resource) => Number(metadata.annotations["helm.sh/hook-weight"]);
    expect(weight(secret)).to.be.below(weight(job));
  });

  it("migrates with the settings of the database, the keys' encryption and the log (N02)", () => {
    const values = parse(VALUE_FILES.get("vault") ?? "");
    const passed = {
      SESSIOND_DATABASE_STATEMENT_TIMEOUT: "2s",
      SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT: "2m",
      SESSIOND_LOG_LEVEL: "debug",
    };
    const settings = { ...passed, SESSIOND_IDLE_TIMEOUT: "1h" };
    const { resources } = render(helm, { ...values, settings });
    const environment = environmentOf(podOf(only(resources, "Job", "sessiond-migration")));
    expect(environment).to.include(passed);
    expect(environment).not.to.have.property("SESSIOND_IDLE_TIMEOUT");
  });

  it("replaces the pods when its own secrets change (N02)", () => {
    const annotationsOf = (keyEncryptionKeys: string) => {
      const secrets = { ...minimal.secrets, keyEncryptionKeys };
      const { resources } = render(helm, { ...minimal, secrets });
      return only(resources, "Deployment").spec.template.metadata.annotations;
    };
    const [one, other] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString("base64"));
    expect(annotationsOf(one ?? "")).to.deep.equal(annotationsOf(one ?? ""));
    expect(annotationsOf(one ?? "")).not.to.deep.equal(annotationsOf(other ?? ""));
  });

  it("has no secret outside of Secrets (N02)", () => {
    const { resources } = render(helm, minimal);
    const rest = JSON.stringify(resources.filter(({ kind }) => kind !== "Secret"));
    const inSecrets = JSON.stringify(resources.filter(({ kind }) => kind === "Secret"));
    for (const secret of [minimal.secrets.databaseUrl, minimal.secrets.keyEncryptionKeys]) {
      expect(inSecrets).to.include(secret);
      expect(rest).not.to.include(secret);
    }
  });

  it("lets only chosen peers in, and out to the database and names only (N02)", () => {
    const { resources } = render(helm, VALUE_FILES.get("mtls") ?? "");
    const { ingress, egress } = only(resources, "NetworkPolicy").spec;
    const [callers, metrics, doctor] = ingress.map(({ from, ports }: Resource) => [
      from,
      ports.map(({ port }: Resource) => port),
    ]);
    expect(ingress).to.have.length(3);
    const label = "kubernetes.io/metadata.name";
    const namespaced = (name: string) => [
      { namespaceSelector: { matchLabels: { [label]: name } } },
    ];
    expect(callers).to.deep.equal([namespaced("backends"), [8480]]);
    expect(metrics).to.deep.equal([namespaced("monitoring"), [9464]]);
    expect(doctor[1]).to.deep.equal([8480]);
    const ports = egress.map((rule: Resource) => rule.ports.map(({ port }: Resource) => port));
    expect(ports).to.deep.equal([
      [53, 53],
      [5432, 6432],
    ]);
    expect(egress[1].to).to.deep.equal([{ ipBlock: { cidr: "10.20.0.0/24" } }]);
  });

  it("lets the pod of helm test in, and no other pod of the release (N02)", () => {
    const { resources } = render(helm, VALUE_FILES.get("mtls") ?? "");
    const { ingress } = only(resources, "NetworkPolicy").spec;
    const peers = ingress.flatMap(({ from }: Resource) => from);
    const selectors = peers
      .filter((peer: Resource) => "podSelector" in peer)
      .map(({ podSelector }: Resource) => podSelector.matchLabels);
    expect(selectors).to.have.length(1);
    expect(only(resources, "Pod", "sessiond-doctor").metadata.labels).to.include(selectors[0]);
    const { labels } = only(resources, "Deployment").spec.template.metadata;
    expect(labels).not.to.include(selectors[0]);
  });

  it("has the rules of Prometheus, with their own templates (N02)", () => {
    const { resources } = render(helm, VALUE_FILES.get("monitoring") ?? "");
    const rules = globSync(`${CHART}/files/prometheus/*.yaml`, { cwd: ROOT }).sort();
    const groups = rules.flatMap((path) => parse(readFileSync(join(ROOT, path), "utf8")).groups);
    expect(groups).to.have.length.above(1);
    expect(only(resources, "PrometheusRule").spec.groups).to.deep.equal(groups);
    const service = only(resources, "Service", "sessiond-metrics");
    const { selector, jobLabel } = only(resources, "ServiceMonitor").spec;
    expect(service.metadata.labels).to.include(selector.matchLabels);
    // Rules and dashboard find the job by its name.
    expect(service.metadata.labels[jobLabel]).to.equal("sessiond");
  });

  it("leaves the number of replicas to the autoscaler (N02)", () => {
    const { resources } = render(helm, VALUE_FILES.get("workers") ?? "");
    expect(only(resources, "Deployment").spec).not.to.have.property("replicas");
    const { minReplicas, maxReplicas, metrics } = only(resources, "HorizontalPodAutoscaler").spec;
    expect([minReplicas, maxReplicas]).to.deep.equal([2, 10]);
    expect(metrics[0].resource.target.averageUtilization).to.equal(70);
  });

  const secrets = { existingSecret: "sessiond" };
  const callers = { existingSecret: "callers" };
  const tls = { existingSecret: "tls" };
  for (const [values, message] of [
    [{ secrets: { keyEncryptionKeys: minimal.secrets.keyEncryptionKeys } }, "no database URL"],
    [{ secrets: { databaseUrl: minimal.secrets.databaseUrl } }, "no key-encryption keys"],
    [{ secrets: { ...secrets, ...minimal.secrets } }, "must not be"],
    [{ secrets, callers: {} }, "nobody may call"],
    [{ secrets, callers: { ...callers, insecureNoAuthentication: true } }, "although there are"],
    [{ secrets, callers: { ...callers, content: "{}" } }, "only one can be"],
    [{ secrets, callers, tls: {} }, "tokens in plain text"],
    [{ secrets, callers, tls: { ...tls, insecurePlainText: true } }, "only one can be"],
    [{ secrets, callers, tls: { ...tls, clientCertificate: "required" } }, "tls.clientCaSecret"],
    [{ secrets, callers, tls, metrics: { enabled: false } }, "needs metrics.enabled=true"],
    [
      { secrets, callers, tls, keyEncryption: { provider: "vault-transit" } },
      "set keyEncryption.vault.address",
    ],
    [
      { secrets, callers, tls, settings: { SESSIOND_PORT: 1 } },
      "settings.SESSIOND_PORT: use service.port",
    ],
    [
      { secrets, callers, tls, settings: { SESSIOND_DATABASE_URL_FILE: "/x" } },
      "settings.SESSIOND_DATABASE_URL_FILE: use secrets.databaseUrl",
    ],
    [
      { secrets, callers, tls, autoscaling: { enabled: true, minReplicas: 11 } },
      "greater than autoscaling.maxReplicas",
    ],
    [{ secrets, callers, tls, replicas: 2 }, "additional properties 'replicas' not allowed"],
    [{ secrets, callers, tls, settings: { IDLE_TIMEOUT: "1h" } }, "IDLE_TIMEOUT"],
  ] as const) {
    it(`refuses values: ${message} (N02)`, () => {
      const { status, stderr } = render(helm, values);
      expect(status).not.to.equal(0);
      expect(stderr).to.include(message);
    });
  }

  it("refuses wrong secrets without repeating them (N02)", () => {
    const wrong = { databaseUrl: "mysql://a:hunter2@b/c", keyEncryptionKeys: "hunter3" };
    const { status, stderr } = render(helm, { ...minimal, secrets: wrong });
    expect(status).not.to.equal(0);
    expect(stderr).to.include("secrets.databaseUrl is no").and.include("keyEncryptionKeys is no");
    expect(stderr).not.to.match(/hunter/);
  });
});
