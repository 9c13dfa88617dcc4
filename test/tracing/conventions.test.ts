import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import * as conventions from "@opentelemetry/semantic-conventions/incubating";
import { expect } from "chai";
import { byCookie, type OpenedSession, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import {
  type CallerClient,
  clientOf,
  createTestFile,
  newToken,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { holdTransaction } from "../support/transaction.ts";

const VALIDATE = "sessiond.v1.SessionService/Validate";
const READ = "SELECT signing_keys sessions";

/** Of every call over gRPC from this machine. */
const GRPC = {
  "server.address": "127.0.0.1",
  "network.protocol.name": "http",
  "network.protocol.version": "2",
  "client.address": "127.0.0.1",
  "rpc.system.name": "grpc",
  "rpc.method": VALIDATE,
};

const CALLER = { "sessiond.caller": "shop" };
const TENANT = { "sessiond.tenant_id": "default" };

/** Attributes of sessiond, which no convention has. */
const OWN = [
  "sessiond.reason",
  "sessiond.tenant_id",
  "sessiond.caller",
  "sessiond.queue_ms",
  "sessiond.batch.size",
];

describe("names and attributes of spans", () => {
  const spans = useRecordedSpans();
  const token = newToken();
  const stack = new AsyncDisposableStack();
  let app: TestApp;
  let caller: CallerClient;
  let session: OpenedSession;

  before(async () => {
    const file = await createTestFile(tokenLine(token, { name: "shop", role: "admin" }));
    stack.defer(() => file.remove());
    app = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
    stack.defer(() => app.stop());
    caller = clientOf(app.url, withToken(token));
    stack.defer(() => caller.close());
    session = await openSession(caller.client);
  });

  after(() => stack.disposeAsync());

  it("K03: of a call that succeeds, and of its statement", async () => {
    await validate(caller.client, session.cookie);
    const call = await spans.named(VALIDATE);
    expect(call.kind).to.equal(SpanKind.SERVER);
    expect(call.status).to.deep.equal({ code: SpanStatusCode.UNSET });
    expect(call.attributes).to.deep.equal({
      ...GRPC,
      ...CALLER,
      ...TENANT,
      "rpc.response.status_code": "OK",
    });

    const statement = await spans.named(READ);
    expect(statement.kind).to.equal(SpanKind.CLIENT);
    expect(statement.status).to.deep.equal({ code: SpanStatusCode.UNSET });
    const {
      "db.query.text": text,
      "sessiond.queue_ms": queueMs,
      ...attributes
    } = statement.attributes;
    const { hostname, port, pathname } = new URL(app.database.url);
    expect(attributes).to.deep.equal({
      "db.system.name": "postgresql",
      "db.namespace": pathname.slice(1),
      "db.query.summary": READ,
      "server.address": hostname,
      "server.port": Number(port),
      "sessiond.batch.size": 1,
    });
    expect(text).to.match(/WHERE keys\.id = \$2$/);
    expect(queueMs).to.be.within(0, 60_000);
  });

  it("K03: of a call that is refused, with its reason: that is no failure of sessiond", async () => {
    const other = await openSession(caller.client);
    await caller.client.revoke({ session: byCookie(other.cookie) });
    await expectFailure(validate(caller.client, other.cookie), "REVOKED");
    const call = await spans.named(VALIDATE);
    expect(call.status).to.deep.equal({ code: SpanStatusCode.UNSET });
    expect(call.attributes).to.deep.equal({
      ...GRPC,
      ...CALLER,
      ...TENANT,
      "rpc.response.status_code": "UNAUTHENTICATED",
      "sessiond.reason": "REVOKED",
    });
  });

  it("K03: of a call that is refused before its handler", async () => {
    using resources = new DisposableStack();
    const stranger = clientOf(app.url, withToken(newToken()));
    resources.defer(() => stranger.close());
    await expectFailure(validate(stranger.client, session.cookie), "CALLER_UNAUTHENTICATED");
    const call = await spans.named(VALIDATE);
    expect(call.attributes).to.deep.equal({
      ...GRPC,
      "rpc.response.status_code": "UNAUTHENTICATED",
      "sessiond.reason": "CALLER_UNAUTHENTICATED",
    });
    expect(spans.childrenOf(call)).to.deep.equal([]);
  });

  it("K03: of a call that fails, and of the statement that was cancelled", async () => {
    const held = await holdTransaction(app.database);
    try {
      await held.query("LOCK TABLE sessions");
      app.setStatementTimeout(20);
      await expectFailure(validate(caller.client, session.cookie), "STORAGE_UNAVAILABLE");
    } finally {
      app.setStatementTimeout(600_000);
      await held.end();
    }
    const call = await spans.named(VALIDATE);
    expect(call.status).to.deep.equal({ code: SpanStatusCode.ERROR });
    expect(call.attributes).to.deep.equal({
      ...GRPC,
      ...CALLER,
      "rpc.response.status_code": "UNAVAILABLE",
      "error.type": "UNAVAILABLE",
      "sessiond.reason": "STORAGE_UNAVAILABLE",
    });
    const statement = await spans.named(READ);
    expect(statement.status).to.deep.equal({ code: SpanStatusCode.ERROR });
    expect(statement.attributes).to.include({
      "db.response.status_code": "57014",
      "error.type": "57014",
    });
  });

  it("K03: of a call of Connect, over HTTP/1.1", async () => {
    const post = (cookie: string) =>
      fetch(`${app.url}/${VALIDATE}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ cookie }),
      });
    const connect = { ...GRPC, "network.protocol.version": "1.1", "rpc.system.name": "connectrpc" };
    expect((await post(session.cookie)).status).to.equal(200);
    expect((await spans.named(VALIDATE)).attributes).to.deep.equal({
      ...connect,
      ...CALLER,
      ...TENANT,
    });
    spans.clear();
    expect((await post("forged")).status).to.equal(401);
    expect((await spans.named(VALIDATE)).attributes).to.deep.equal({
      ...connect,
      ...CALLER,
      "rpc.response.status_code": "unauthenticated",
      "sessiond.reason": "INVALID_COOKIE",
    });
  });

  it("K03: are all in the conventions, except sessiond's own", async () => {
    const standard: readonly unknown[] = Object.values(conventions);
    const { cookie } = await openSession(caller.client);
    await caller.client.rotateSession({ session: byCookie(cookie) });
    await expectFailure(validate(caller.client, "forged"), "INVALID_COOKIE");
    const names = new Set(spans.all.flatMap((span: ReadableSpan) => Object.keys(span.attributes)));
    for (const name of names) {
      if (!OWN.includes(name)) expect(standard, name).to.include(name);
    }
    expect([...names]).to.include.members(["rpc.method", "db.query.summary", "sessiond.reason"]);
  });

  it("K03: are not there for health checks and reflection", async () => {
    for (const path of ["grpc.health.v1.Health/Check", "sessiond.v1.SessionService/Validate"]) {
      const response = await fetch(`${app.url}/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      await response.arrayBuffer();
    }
    const call = await spans.named(VALIDATE);
    expect(spans.all).to.deep.equal([call]);
  });
});
