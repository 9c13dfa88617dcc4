import { expect } from "chai";
import { createTestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { queryOf, readDashboard } from "./dashboard.ts";
import { findPrometheus } from "./prometheus.ts";
import { startRealRun } from "./real-run.ts";

/** Without those of errors, of which this run has none: promtool tests them. */
const RECORDS = [
  "sessiond:rpc_calls:rate5m",
  "sessiond:rpc_duration_seconds:p50_5m",
  "sessiond:rpc_duration_seconds:p99_5m",
  "sessiond:refusals:rate5m",
];

/** Without tokens, there is no key for them. The log of a test is no output that could drop lines. */
const ABSENT = /sessiond_token_key_age_seconds|sessiond_log_lines_dropped_total/;

describe("the dashboard", () => {
  it("J06: each of its queries, and each record, finds series on a real run", async function () {
    const program = findPrometheus("prometheus");
    if (program === undefined) this.skip();
    await using stack = new AsyncDisposableStack();
    const database = await createTestDatabase();
    stack.defer(() => database.drop());
    const { prometheus } = stack.use(
      await startRealRun({ program, databaseUrl: database.url, scrapeInterval: "1s" }),
    );
    const targets = readDashboard().panels.flatMap(({ targets = [] }) => targets);
    const queries = [...targets.map((target) => queryOf(target, "10s")), ...RECORDS].filter(
      (query) => !ABSENT.test(query),
    );
    expect(queries.length).to.be.greaterThan(40);
    for (const query of queries) {
      await until(`series of ${query}`, async () => (await prometheus.query(query)).length > 0);
    }
    // They are exported with zero from the start: on a busy machine before the first such call.
    for (const query of [
      'sessiond_caller_refusals_total{caller="report"}',
      "sessiond_forged_cookies_total",
    ]) {
      await until(`a value of ${query}`, async () =>
        (await prometheus.query(query)).some(({ value }) => Number(value?.[1]) > 0),
      );
    }
  });
});
