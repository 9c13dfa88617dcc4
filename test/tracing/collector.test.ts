import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { newActor, openSession } from "../support/actors.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import {
  attributeOf,
  COLLECTOR,
  type OtlpSpan,
  REGISTER,
  SDK,
  startCollector,
} from "./collector.ts";

const VALIDATE = "sessiond.v1.SessionService/Validate";
const [SERVER, CLIENT] = [2, 3];

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_ID = "00f067aa0ba902b7";

const cases = {
  "the sources": { script: "bin/sessiond.js", workers: "1" },
  "several workers": { script: "bin/sessiond.js", workers: "2" },
  "the bundle of the npm package": { script: "dist/main.js", workers: "1" },
};

describe("traces in a Collector", () => {
  const sessiond = useSessiond();
  const collectors = new Set<ChildProcess>();

  before("find what npm run tracing-example prepares", function () {
    const missing = [COLLECTOR, SDK, "dist/main.js"].filter((path) => !existsSync(path));
    if (missing.length === 0) return;
    if (process.env.REQUIRE_OTELCOL === "1") throw new Error(`${missing} is missing`);
    this.skip();
  });

  afterEach(async () => {
    for (const collector of [...collectors]) {
      collector.kill("SIGKILL");
      await once(collector, "close");
    }
  });

  for (const [what, { script, workers }] of Object.entries(cases)) {
    it(`K06: of ${what}, through the example's SDK: parents, children, links of batches`, async () => {
      const collector = await startCollector(await sessiond.directory(), collectors);
      const database = await sessiond.database();
      const service = await sessiond.serve({
        script,
        env: {
          ...databaseEnv(database),
          SESSIOND_WORKERS: workers,
          NODE_OPTIONS: `--import ${pathToFileURL(REGISTER)}`,
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        },
      });
      const actor = newActor();
      const { cookie, csrfToken } = await openSession(service.client, { actor });
      const request = { credential: { case: "cookie", value: cookie } } as const;
      const headers = { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` };
      await service.client.validate(request, { headers });
      await Promise.all(Array.from({ length: 40 }, () => service.client.validate(request)));
      const { code } = await service.end("SIGTERM");
      expect(code).to.equal(0);
      // No span waits for the SDK's next export: sessiond has flushed them at its end.
      const received = await collector.stop();

      expect([...received.services]).to.deep.equal(["sessiond"]);
      const calls = received.spans.filter(({ kind }) => kind === SERVER);
      const validated = calls.filter(({ name }) => name === VALIDATE);
      expect(validated).to.have.length(41);

      const traced = validated.filter(({ traceId }) => traceId === TRACE_ID);
      expect(traced.map(({ parentSpanId }) => parentSpanId)).to.deep.equal([PARENT_ID]);
      const [statement] = childrenOf(received.spans, traced[0] as OtlpSpan);
      expect(statement).to.include({ kind: CLIENT, traceId: TRACE_ID });
      expect(statement?.name).to.equal("SELECT signing_keys sessions");

      const reads = received.spans.filter(({ name }) =>
        /^SELECT (sessions|signing_keys) s/.test(name),
      );
      const served = reads.flatMap(({ parentSpanId, links = [] }) => [
        parentSpanId,
        ...links.map(({ spanId }) => spanId),
      ]);
      expect(served.toSorted()).to.deep.equal(validated.map(({ spanId }) => spanId).toSorted());
      const sizes = reads.map((span) => Number(attributeOf(span, "sessiond.batch.size")));
      expect(Math.max(...sizes)).to.be.greaterThan(1);

      expect(received.text).not.to.include(cookie);
      expect(received.text).not.to.include(csrfToken);
      expect(received.text).not.to.include(actor.actorId);
    });
  }
});

function childrenOf(spans: readonly OtlpSpan[], parent: OtlpSpan): readonly OtlpSpan[] {
  return spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);
}
