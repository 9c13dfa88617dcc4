import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { expect } from "chai";
import { byCookie, openSession, validate } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { everyCall } from "../support/every-call.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { statementsDuring } from "../support/statement-log.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until } from "../support/until.ts";

const SERVICE = "sessiond.v1.SessionService";

describe("spans of calls and statements", () => {
  const spans = useRecordedSpans();
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });

  after(() => app.stop());

  for (const [what, call] of Object.entries(everyCall)) {
    it(`K01: ${what} has a span, and each of its statements one in the same trace`, async () => {
      const session = await openSession(app.client);
      spans.clear();
      const sent = await statementsDuring(() => call(app.client, session));
      await until("the call's spans have ended", async () => spans.calls.length > 0);

      const traces = new Set(spans.calls.map((span) => span.spanContext().traceId));
      for (const span of spans.calls) {
        expect(span.name).to.match(
          new RegExp(`^${SERVICE}/${what.split(" ")[0]}|^${SERVICE}/Rotate`),
        );
        expect(span.parentSpanContext).to.equal(undefined);
      }
      expect(spans.statements.length).to.be.greaterThan(0);
      for (const span of spans.statements) {
        expect(span.name).to.match(/^(SELECT|INSERT|UPDATE|DELETE|BEGIN|COMMIT|ROLLBACK)\b/);
        expect(traces).to.include(span.spanContext().traceId);
      }
      const traced = new Set(spans.statements.map(({ attributes }) => attributes["db.query.text"]));
      const untraced = sent.filter(({ text }) => !traced.has(text));
      // What TypeORM builds has a span without its text.
      const built = untraced.filter(({ text }) => /^SELECT "\w+"\."/.test(text));
      expect(untraced).to.deep.equal(built);
      expect(traced.has(undefined)).to.equal(built.length > 0);
    });
  }

  it("K01: a statement that fails has its SQLSTATE, and no message", async () => {
    const statement = { summary: "SELECT", text: "SELECT 1 / $1::integer" };
    const failure = await app.app.storage.database.query(statement, [0], undefined).catch(String);
    expect(failure).to.be.a("string");
    const span = await spans.named("SELECT");
    expect(span.status).to.deep.equal({ code: SpanStatusCode.ERROR });
    expect(span.attributes).to.include({
      "db.response.status_code": "22012",
      "error.type": "22012",
    });
    expect(span.events).to.deep.equal([]);
  });

  it("K01: a batch has the first call as parent, and links to the others", async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, () => openSession(app.client)));
    spans.clear();
    const count = 40;
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        validate(app.client, sessions[index % sessions.length]?.cookie ?? ""),
      ),
    );
    await until("all calls have ended", async () => spans.calls.length === count);

    const reads = spans.statements.filter(({ name }) => name.startsWith("SELECT"));
    const served = reads.flatMap((span) => [
      span.parentSpanContext?.spanId,
      ...span.links.map((link) => link.context.spanId),
    ]);
    const calls = spans.calls.map((span) => span.spanContext().spanId);
    expect(served.toSorted()).to.deep.equal(calls.toSorted());
    const sizes = reads.map(({ attributes }) => attributes["sessiond.batch.size"] as number);
    expect(sizes).to.deep.equal(reads.map(({ links }) => links.length + 1));
    expect(Math.max(...sizes)).to.be.greaterThan(1);
  });

  it("K01: a change that waited for a lock alone is in the trace of its own call", async () => {
    const { id, cookie } = await openSession(app.client);
    const held = await holdTransaction(app.database);
    try {
      await held.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [id]);
      const revoking = app.client.revoke({ session: byCookie(cookie) });
      await spans.named("BEGIN");
      await held.commit();
      await revoking;
    } finally {
      await held.end();
    }
    const call = await spans.named(`${SERVICE}/Revoke`);
    const names = spans.childrenOf(call).map(({ name }) => name);
    expect(names).to.include.members(["BEGIN", "UPDATE sessions INSERT audit_events", "COMMIT"]);
  });

  it("K01: the audit of denials is in no call's trace, since none waits for it", async () => {
    const { cookie } = await openSession(app.client);
    await app.client.revoke({ session: byCookie(cookie) });
    await failureOf(validate(app.client, cookie));
    await app.app.storage.denialAudit.flush();
    const span = await spans.named("INSERT audit_events");
    expect(span.parentSpanContext).to.equal(undefined);
  });

  it("K01: start and sweep have spans of their own", async () => {
    const other = await startTestApp();
    try {
      const start = await spans.named("sessiond.start");
      expect(start.kind).to.equal(SpanKind.INTERNAL);
      expect(spans.childrenOf(start).map(({ name }) => name)).to.include(
        "INSERT signing_keys audit_events",
      );
      await other.client.garbageCollect({});
      const sweep = await spans.named("sessiond.sweep");
      const call = await spans.named(`${SERVICE}/GarbageCollect`);
      expect(sweep.parentSpanContext?.spanId).to.equal(call.spanContext().spanId);
      expect(spans.childrenOf(sweep).map(({ name }) => name)).to.include("DELETE sessions");
    } finally {
      await other.stop();
    }
  });

  it("K01: a GarbageCollect that its caller may not ask for has no span of a sweep", async () => {
    const token = newToken();
    const line = tokenLine(token, { name: "shop", role: "admin", tenants: ["acme"] });
    const file = await createTestFile(line);
    const env = { SESSIOND_CALLERS_FILE: file.path };
    const replica = await startReplica(app.database.url, { env });
    const caller = clientOf(replica.url, withToken(token));
    try {
      await expectFailure(caller.client.garbageCollect({}), "CALLER_FORBIDDEN");
      await spans.named(`${SERVICE}/GarbageCollect`);
      expect(spans.all.map(({ name }) => name)).not.to.include("sessiond.sweep");
    } finally {
      caller.close();
      await replica.stop();
      await file.remove();
    }
  });
});
