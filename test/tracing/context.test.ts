import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { expect } from "chai";
import { type OpenedSession, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { until } from "../support/until.ts";

const SAMPLED = "01";
const NOT_SAMPLED = "00";

interface Caller {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceparent: string;
}

function aCaller(flags: string): Caller {
  const traceId = randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}

describe("the caller's trace context", () => {
  const spans = useRecordedSpans();
  let app: TestApp;
  let session: OpenedSession;

  before(async () => {
    app = await startTestApp();
    session = await openSession(app.client);
  });

  after(() => app.stop());

  const validate = (headers: Readonly<Record<string, string>>) =>
    app.client.validate({ credential: { case: "cookie", value: session.cookie } }, { headers });

  async function onlyCall() {
    return until("the call has ended", async () => spans.calls[0]);
  }

  it("K02: is the parent of the call's span, with its trace state", async () => {
    const { traceId, spanId, traceparent } = aCaller(SAMPLED);
    await validate({ traceparent, tracestate: "vendor=1,other=2" });
    const call = await onlyCall();
    expect(call.spanContext().traceId).to.equal(traceId);
    expect(call.parentSpanContext?.spanId).to.equal(spanId);
    expect(call.spanContext().traceState?.serialize()).to.equal("vendor=1,other=2");
    expect(spans.childrenOf(call).map(({ name }) => name)).to.deep.equal([
      "SELECT signing_keys sessions",
    ]);
  });

  it("K02: is found in headers of HTTP/1.1, whatever their case", async () => {
    const { spanId, traceparent } = aCaller(SAMPLED);
    const path = "/sessiond.v1.SessionService/Validate";
    const headers = { "Content-Type": "application/json", TraceParent: traceparent };
    const sent = request(new URL(path, app.url), { method: "POST", headers });
    sent.end(JSON.stringify({ cookie: session.cookie }));
    const [response] = await once(sent, "response");
    response.resume();
    expect(response.statusCode).to.equal(200);
    expect((await onlyCall()).parentSpanContext?.spanId).to.equal(spanId);
  });

  it("K02: of a caller that is not sampled, makes no spans", async () => {
    await validate({ traceparent: aCaller(NOT_SAMPLED).traceparent });
    // The control: a sampled call afterwards has spans, and they are the only ones.
    const { traceId, traceparent } = aCaller(SAMPLED);
    await validate({ traceparent });
    await onlyCall();
    expect(spans.all.map((span) => span.spanContext().traceId)).to.deep.equal([traceId, traceId]);
  });

  it("K02: that is malformed, begins a new trace", async () => {
    const { traceId, spanId } = aCaller(SAMPLED);
    const malformed = [
      "",
      "nonsense",
      `00-${traceId}-${spanId}`,
      `00-${"0".repeat(32)}-${spanId}-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `ff-${traceId}-${spanId}-01`,
      `00-${traceId.toUpperCase().replace(/\d/g, "A")}-${spanId}-01`,
      `00-${traceId}-${spanId}-01-more`,
      "x".repeat(4000),
    ];
    for (const traceparent of malformed) {
      spans.clear();
      await validate({ traceparent });
      const call = await onlyCall();
      expect(call.parentSpanContext, traceparent).to.equal(undefined);
      expect(call.spanContext().traceId).not.to.equal(traceId);
    }
  });

  it("K02: of a sampled call, has its statement, whichever call began the batch", async () => {
    const callers = Array.from({ length: 40 }, (_, index) =>
      aCaller(index % 4 === 3 ? SAMPLED : NOT_SAMPLED),
    );
    await Promise.all(callers.map(({ traceparent }) => validate({ traceparent })));
    const sampled = callers.filter(({ traceparent }) => traceparent.endsWith(SAMPLED));
    await until("all calls have ended", async () => spans.calls.length === sampled.length);
    const served = spans.statements.flatMap((span) => [
      span.spanContext().traceId,
      ...span.links.map((link) => link.context.traceId),
    ]);
    expect(served.toSorted()).to.deep.equal(sampled.map(({ traceId }) => traceId).toSorted());
    // Otherwise each of them had its own batch, and this shows nothing.
    const sizes = spans.statements.map(({ attributes }) => attributes["sessiond.batch.size"]);
    expect(Math.max(...(sizes as number[]))).to.be.greaterThan(1);
  });
});
