import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { FAMILIES } from "../../src/metrics/families.ts";
import { readDashboard } from "./dashboard.ts";
import { findPrometheus, promtool } from "./prometheus.ts";

const DIRECTORY = join(import.meta.dirname, "../../deploy/prometheus");

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: { readonly severity: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

interface AlertTest {
  readonly input_series: readonly { readonly series: string }[];
  readonly promql_expr_test: readonly {
    readonly expr: string;
    readonly exp_samples: readonly { readonly labels?: string }[];
  }[];
}

function read<T>(file: string): T {
  return parse(readFileSync(join(DIRECTORY, file), "utf8")) as T;
}

function rulesOf(file: string): Rule[] {
  const { groups } = read<{ groups: { rules: Rule[] }[] }>(file);
  return groups.flatMap(({ rules }) => rules);
}

const alerts = rulesOf("alerts.yaml");
const recorded = rulesOf("rules.yaml");

/** The runbooks of docs/operations.md. */
const RUNBOOKS = [
  ...["database-away", "failover", "keys-leaked", "log-everyone-out", "wrong-clock"],
  ...["table-growth", "upgrade-and-rollback", "backup-and-restore", "certificates-running-out"],
  ...["pgbouncer", "overload", "flood", "sizing", "workers"],
];
const OPERATIONS = "https://github.com/sessiond/sessiond/blob/main/docs/operations.md#";

/** Names that a query uses, without what a histogram appends. */
function metricsIn(expression: string): string[] {
  const names = expression.match(/\bsessiond_[a-z0-9_]+/g) ?? [];
  return names.map((name) => name.replace(/_(bucket|sum|count)$/, ""));
}

describe("rules for Prometheus", () => {
  it("J10: pass promtool's checks and their own tests", function () {
    const program = findPrometheus("promtool");
    if (program === undefined) this.skip();
    const files = ["rules.yaml", "alerts.yaml"].map((file) => join(DIRECTORY, file));
    expect(promtool(program, ["check", "rules", ...files]).status).to.equal(0);
    const scraped = promtool(program, ["check", "config", join(DIRECTORY, "scrape.yaml")]);
    expect(scraped.status, scraped.output).to.equal(0);
    const tests = globSync("tests/*.yaml", { cwd: DIRECTORY }).map((file) => join(DIRECTORY, file));
    expect(tests).to.have.length(3);
    const tested = promtool(program, ["test", "rules", ...tests]);
    expect(tested.status, tested.output).to.equal(0);
  });

  it("J10: each alert has a test in which it fires and one in which it does not", () => {
    const tests = ["alerts", "forged-cookies"].flatMap(
      (name) => read<{ tests: AlertTest[] }>(`tests/${name}.yaml`).tests,
    );
    for (const { alert = "" } of alerts) {
      const cases = tests.filter(({ promql_expr_test: [check] }) =>
        check?.expr.includes(`alertname="${alert}"`),
      );
      const firing = cases.flatMap(({ promql_expr_test: [check] }) => check?.exp_samples ?? []);
      const jobs = new Set(
        cases.flatMap(({ input_series }) =>
          input_series.map(({ series }) => /job="([^"]+)"/.exec(series)?.[1]),
        ),
      );
      expect(firing.length, `${alert} fires`).to.be.greaterThan(0);
      expect(jobs.size, `${alert} does not fire for all`).to.be.greaterThan(firing.length);
    }
  });

  it("J10: each alert says what is wrong, how urgent it is, and which runbook helps", () => {
    for (const { alert, labels, annotations = {} } of alerts) {
      expect(labels?.severity, alert).to.be.oneOf(["critical", "warning"]);
      expect(Object.keys(annotations), alert).to.have.members([
        "summary",
        "description",
        "runbook_url",
      ]);
      const { runbook_url: url = "" } = annotations;
      expect(url.startsWith(OPERATIONS), alert).to.equal(true);
      expect(url.slice(OPERATIONS.length), alert).to.be.oneOf(RUNBOOKS);
    }
  });

  it("J06: rules and dashboard use only metrics and records that exist", () => {
    const known = new Set<string>(Object.values(FAMILIES).map(({ name }) => name));
    const records = new Set(recorded.map(({ record }) => record));
    const ofPanels = readDashboard().panels.flatMap(({ targets = [] }) => targets);
    for (const { expr } of [...alerts, ...recorded, ...ofPanels]) {
      expect(
        metricsIn(expr).filter((name) => !known.has(name)),
        expr,
      ).to.deep.equal([]);
      const used = expr.match(/\bsessiond:[\w:]+/g) ?? [];
      expect(
        used.filter((name) => !records.has(name)),
        expr,
      ).to.deep.equal([]);
    }
  });

  it("J06: the dashboard shows every family, or an alert watches it", () => {
    const ofPanels = readDashboard().panels.flatMap(({ targets = [] }) => targets);
    const used = new Set(
      [...alerts, ...recorded, ...ofPanels].flatMap(({ expr }) => metricsIn(expr)),
    );
    const unused = Object.values(FAMILIES).filter(({ name }) => !used.has(name));
    expect(unused.map(({ name }) => name)).to.deep.equal([
      FAMILIES.sweepDuration.name,
      FAMILIES.workers.name,
    ]);
  });
});
