import { createClient } from "@connectrpc/connect";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { byCookie, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { failureOf } from "../support/expect-failure.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

const SERVICE = "sessiond.v1.SessionService";

describe("the log of every call, at level debug", () => {
  let app: TestApp;
  const lines: Record<string, unknown>[] = [];

  before(async () => {
    const env = { SESSIOND_LOG_VALIDATE_SAMPLE: "3" };
    app = await startTestApp({ env, onLog: (line) => lines.push(JSON.parse(line)) });
  });
  after(() => app.stop());
  beforeEach(() => {
    lines.length = 0;
  });

  const calls = () => lines.filter((line) => "rpc" in line);

  it("has RPC, request id, tenant, code, reason and milliseconds, and returns the id", async () => {
    const actor = newActor({ tenantId: newTenant() });
    const { cookie } = await openSession(app.client, { actor });
    let returned: string | null = null;
    const session = byCookie(cookie);
    await app.client.get({ session }, { onHeader: (h) => (returned = h.get("x-request-id")) });
    await failureOf(app.client.revoke({ session: byCookie("x") }));

    await until("all are logged", async () => calls().length === 3);
    const [create, get, revoke] = calls();
    const tenant = actor.tenantId;
    expect(create).to.include({ level: 20, rpc: `${SERVICE}/Create`, tenant, code: "OK" });
    expect(get).to.include({ rpc: `${SERVICE}/Get`, tenant, code: "OK", requestId: returned });
    expect(revoke).to.include({ rpc: `${SERVICE}/Revoke`, reason: "INVALID_COOKIE" });
    for (const call of calls()) expect(call.ms).to.be.a("number");
  });

  it("has one in SESSIOND_LOG_VALIDATE_SAMPLE successful Validates, and every failed one", async () => {
    const { cookie } = await openSession(app.client);
    lines.length = 0;
    for (let call = 0; call < 9; call += 1) await validate(app.client, cookie);
    for (let call = 0; call < 2; call += 1) await failureOf(validate(app.client, "x"));
    await until("all are logged", async () => calls().length >= 5);
    expect(calls().map(({ code }) => code)).to.deep.equal([
      ...Array(3).fill("OK"),
      ...Array(2).fill("UNAUTHENTICATED"),
    ]);
  });

  it("has no health checks", async () => {
    await createClient(Health, app.transport).check({});
    await openSession(app.client);
    await until("the other call is logged", async () => calls().length > 0);
    expect(calls().map(({ rpc }) => rpc)).to.deep.equal([`${SERVICE}/Create`]);
  });
});

describe("sessiond as a process: SIGUSR2", () => {
  const sessiond = useSessiond();

  it("switches the log of every call on and off", async () => {
    const env = databaseEnv(await sessiond.database());
    const serving = await sessiond.serve({ env });
    const said = (pattern: RegExp) =>
      until(`it says ${pattern}`, async () => pattern.test(serving.stderr));
    const session = byCookie((await openSession(serving.client)).cookie);
    const get = (id: string) =>
      serving.client.get({ session }, { headers: { "x-request-id": id } });

    await get("before");
    serving.signal("SIGUSR2");
    await said(/"logLevel":"debug"/);
    await get("during");
    await said(/"requestId":"during"/);
    serving.signal("SIGUSR2");
    await said(/"logLevel":"info"/);
    await get("after");
    const { code, stderr } = await serving.end("SIGTERM");
    expect(code).to.equal(0);
    expect(stderr).not.to.match(/"requestId":"(before|after)"/);
  });
});
