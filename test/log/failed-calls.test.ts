import { expect } from "chai";
import { byCookie, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { failureOf } from "../support/expect-failure.ts";
import { until } from "../support/until.ts";

const VALIDATE = "sessiond.v1.SessionService/Validate";
const INFO = 30;
const WARN = 40;
const ERROR = 50;

interface Line extends Record<string, unknown> {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly type: string; readonly stack: string; readonly cause?: object };
}

describe("the log of failed calls", () => {
  let database: TestDatabase;
  let proxy: DatabaseProxy;
  let replica: Replica;
  let lines: Line[];

  beforeEach(async () => {
    lines = [];
    database = await createTestDatabase();
    proxy = await startDatabaseProxy(database.url);
    replica = await startReplica(proxy.url, {
      env: { SESSIOND_UNIFORM_ERRORS: "true" },
      onLog: (line) => lines.push(JSON.parse(line)),
    });
  });
  afterEach(async () => {
    await replica.stop();
    await proxy.close();
    await database.drop();
  });

  /** The lines about calls that the default level has. */
  const logged = () =>
    lines.filter(({ level, msg }) => level >= INFO && /call|database/.test(msg ?? ""));

  /** The only line, which names the request id that the client got. */
  async function lineOf(call: Promise<unknown>): Promise<Line> {
    const error = await failureOf(call);
    await until("it is logged", async () => logged().length > 0);
    expect(logged()).to.have.length(1);
    const line = logged()[0] as Line;
    expect(line.requestId).to.equal(error.metadata.get("x-request-id"));
    expect(line.ms).to.be.a("number");
    return line;
  }

  it("has a denial with its real reason and its tenant, as info without a stack", async () => {
    const actor = newActor({ tenantId: newTenant() });
    const { id, cookie } = await openSession(replica.client, { actor });
    await database.sql(
      "UPDATE sessions SET revoked_at = now(), revoke_reason = 'x' WHERE id = $1",
      [id],
    );
    const line = await lineOf(validate(replica.client, cookie));
    expect(line).to.include({
      level: INFO,
      msg: "call failed",
      rpc: VALIDATE,
      tenant: actor.tenantId,
      code: "UNAUTHENTICATED",
      reason: "REVOKED",
    });
    expect(line).not.to.have.property("err");
  });

  it("has the client's own request id", async () => {
    const headers = { "x-request-id": "req-17" };
    const call = replica.client.validate(
      { credential: { case: "cookie", value: "x" } },
      { headers },
    );
    expect(await lineOf(call)).to.include({ requestId: "req-17", reason: "INVALID_COOKIE" });
  });

  it("has an invalid request as warning, without the tenant that it names", async () => {
    const actor = newActor({ actorId: "", tenantId: "mistaken" });
    const line = await lineOf(openSession(replica.client, { actor }));
    expect(line).to.include({ level: WARN, code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" });
    expect(line).not.to.have.property("tenant");
  });

  it("has a request that cannot be decoded, and an unknown method", async () => {
    const post = (path: string) =>
      fetch(`${replica.url}/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"cookie":17}',
      }).then((response) => response.arrayBuffer());
    await post(VALIDATE);
    await post("sessiond.v1.SessionService/Login");
    await until("both are logged", async () => logged().length === 2);
    expect(logged()[0]).to.include({ rpc: VALIDATE, reason: "INVALID_REQUEST" });
    expect(logged()[1]).to.include({ level: WARN, rpc: "(unknown)", code: "UNIMPLEMENTED" });
  });

  it("has a defect as error, with its stack", async () => {
    const { cookie } = await openSession(replica.client);
    await database.sql("ALTER TABLE sessions RENAME TO sessions_away");
    const line = await lineOf(validate(replica.client, cookie));
    expect(line).to.include({ level: ERROR, rpc: VALIDATE, code: "INTERNAL" });
    expect(line.err?.stack).to.match(/StorageFault.*\n +at /);
  });

  it("counts the denials that the audit does not know of, by their real reason", async () => {
    const { cookie, id } = await openSession(replica.client);
    await replica.client.revoke({ session: byCookie(cookie) });
    const forged = cookie.replace(/[^.]+$/, "A".repeat(43));
    const unknownKey = cookie.replace(/sk-\w+/, `sk-${"0".repeat(32)}`);
    for (const value of [forged, "x", unknownKey, cookie, cookie]) {
      await failureOf(validate(replica.client, value));
    }
    await replica.app.stop();
    const events = await database.sql(
      "SELECT FROM audit_events WHERE resource_id = $1 AND action = 'auth.session_refused'",
      [id],
    );
    expect(events, "the control: the audit knows of the revoked session").to.have.length(1);
    const counted = lines.filter(({ msg }) => msg === "calls denied without an audit event");
    expect(counted.map(({ reasons }) => reasons)).to.deep.equal([
      { INVALID_COOKIE: 2, SIGNING_KEY_NOT_FOUND: 1 },
    ]);
  });

  it("combines an outage: one line at the beginning with its cause, and one at the end", async () => {
    const { cookie } = await openSession(replica.client);
    proxy.refuse();
    const calls = 50;
    const began = performance.now();
    for (let call = 0; call < calls; call += 1) {
      await failureOf(validate(replica.client, cookie));
    }
    // Every ten seconds the outage is reported again, which on a slow machine may happen meanwhile.
    const maxReports = Math.floor((performance.now() - began) / 10_000);
    const ofCalls = logged().filter(({ msg }) => !msg.startsWith("an idle"));
    const reports = ofCalls.filter(({ msg }) => msg.startsWith("the database still"));
    expect(reports.length).to.be.at.most(maxReports);
    expect(ofCalls).to.have.length(1 + reports.length);
    const begin = logged().find(({ level }) => level === ERROR);
    expect(begin).to.include({
      msg: "the database does not answer: calls fail",
      rpc: VALIDATE,
      code: "UNAVAILABLE",
      reason: "STORAGE_UNAVAILABLE",
    });
    expect(begin?.err).to.include({ type: "SessionError" });
    expect(begin?.err?.cause).to.have.property("stack");

    proxy.restore();
    const end = await until("the end is logged", async () => {
      await validate(replica.client, cookie);
      return lines.find(({ msg }) => msg?.startsWith("the database answers again"));
    });
    expect(end).to.include({ level: WARN, failed: calls });
    expect(end.msg).to.match(/^the database answers again after [\d.]+ s, 50 calls failed$/);
  });
});
