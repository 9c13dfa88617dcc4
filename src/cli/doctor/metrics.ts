import { localUrl } from "../../local-url.ts";
import {
  type Check,
  type DoctorContext,
  type Finding,
  ok,
  problem,
  roughDuration,
  warning,
} from "./finding.ts";
import { SWEEP_LATE_MS } from "./sweep.ts";

const TIMEOUT_MS = 5000;

/** What the metrics of the running service tell: its version, the sweep, and what was lost. */
export const metrics: Check = {
  name: "metrics",
  isOnline: true,
  async run({ config, cli }) {
    if (config === undefined) return [];
    if (config.metrics === undefined) {
      return [
        ok(
          "off (SESSIOND_METRICS_PORT is not set): version and sweep of the service are not known",
        ),
      ];
    }
    if (cli.options.address !== undefined) {
      return [ok("not asked: they are those of this environment, --address is of another service")];
    }
    const { host, port } = config.metrics;
    const url = `${localUrl(host, port, false)}/metrics`;
    let text: string;
    try {
      const signal = AbortSignal.any([cli.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const response = await fetch(url, { signal });
      text = await response.text();
      if (!response.ok) throw new Error(`status ${response.status}`);
    } catch (error) {
      cli.signal.throwIfAborted();
      return [
        problem(`no metrics at ${url}: ${reasonOf(error)}`, "see SESSIOND_METRICS_PORT and _HOST"),
      ];
    }
    return judgeMetrics(text, cli);
  },
};

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : message;
}

/** @param text in Prometheus' text format */
export function judgeMetrics(
  text: string,
  { host }: Pick<DoctorContext["cli"], "host">,
): readonly Finding[] {
  const findings: Finding[] = [];
  const [, version] = /^sessiond_build_info\{[^}]*version="([^"]*)"/m.exec(text) ?? [];
  if (version !== undefined && version !== host.version) {
    findings.push(
      warning(
        `the service is sessiond ${version}, the command line ${host.version}`,
        "use the command of the service's version, or upgrade the service",
      ),
    );
  }
  const dropped = metricOf(text, "sessiond_audit_events_dropped_total");
  if (dropped !== undefined && dropped > 0) {
    findings.push(
      warning(
        `${dropped} audit events of denials were lost since the service started`,
        "raise SESSIOND_AUDIT_QUEUE_LIMIT, or find out why the database is slow",
      ),
    );
  }
  const dueAt = metricOf(text, "sessiond_sweep_due_timestamp_seconds");
  const late = dueAt === undefined ? 0 : host.now() - dueAt * 1000;
  if (late > SWEEP_LATE_MS) {
    findings.push(
      warning(
        `a sweep of this replica is overdue by ${roughDuration(late)}`,
        "look for failed sweeps in its log; sessiond sweep --until-done runs one. While sweeps of another " +
          "replica succeed, nothing stays in the tables",
      ),
    );
  }
  if (findings.length > 0) return findings;
  return [
    ok(
      `the service is sessiond ${version ?? "of an unknown version"}, and has lost no audit events`,
    ),
  ];
}

function metricOf(text: string, name: string): number | undefined {
  const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m").exec(text) ?? [];
  return value === undefined ? undefined : Number(value);
}
