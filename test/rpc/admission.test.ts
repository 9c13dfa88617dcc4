import { createClient } from "@connectrpc/connect";
import { expect } from "chai";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { Admission, type AdmissionLimits } from "../../src/rpc/admission.ts";
import { byCookie, openSession, validate } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { expectReason } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until, untilBlockedBy } from "../support/until.ts";

const NO_LIMITS: AdmissionLimits = { maxCallsPerCaller: 1_000_000, ratePerCaller: undefined };

/** An admission whose clock stands still until the test moves it. */
function admissionOf(limits: Partial<AdmissionLimits>) {
  const clock = { now: 1000 };
  const admission = new Admission({ ...NO_LIMITS, ...limits }, () => clock.now);
  const isAdmitted = (key?: string) => {
    try {
      admission.enter(key);
      return true;
    } catch (error) {
      expectReason(error, "OVERLOADED");
      return false;
    }
  };
  return { admission, clock, isAdmitted };
}

describe("admission of callers (F13)", () => {
  it("bounds the calls in flight of each caller, not those of all", () => {
    const { admission, isAdmitted } = admissionOf({ maxCallsPerCaller: 2 });
    const caller = admission.enter("a");
    expect([isAdmitted("a"), isAdmitted("a")]).to.deep.equal([true, false]);
    expect([isAdmitted("b"), isAdmitted()]).to.deep.equal([true, true]);
    admission.leave(caller);
    expect([isAdmitted("a"), isAdmitted("a")]).to.deep.equal([true, false]);
  });

  it("bounds the rate of each caller: a burst, and then one call for each interval", () => {
    const { clock, isAdmitted } = admissionOf({ ratePerCaller: { perSecond: 10, burst: 3 } });
    const admitted = () => numbers(5).filter(() => isAdmitted("a")).length;
    expect(admitted(), "the burst").to.equal(3);
    expect(isAdmitted("b"), "another caller").to.equal(true);
    clock.now += 99;
    expect(admitted()).to.equal(0);
    clock.now += 1;
    expect(admitted()).to.equal(1);
    clock.now += 200;
    expect(admitted()).to.equal(2);
    clock.now += 3_600_000;
    expect(admitted(), "no more than a burst after a pause").to.equal(3);
  });

  it("remembers a bounded number of idle callers, and all that have calls in flight", () => {
    const { admission, isAdmitted } = admissionOf({ maxCallsPerCaller: 1 });
    for (const index of numbers(15_000)) admission.enter(`busy ${index}`);
    for (const index of numbers(100_000)) admission.leave(admission.enter(`idle ${index}`));
    expect(admission.size).to.be.within(15_000, 45_000);
    expect(numbers(15_000).filter((index) => isAdmitted(`busy ${index}`))).to.deep.equal([]);
  });
});

describe("admission over the wire", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({ env: { SESSIOND_MAX_CALLS_PER_CALLER: "2" } });
  });
  after(() => app.stop());

  it("refuses what is above the limit at once with OVERLOADED and the limit, except health checks", async () => {
    const { client } = app;
    const { id, cookie } = await openSession(client);
    const held = await holdTransaction(app.database);
    try {
      await held.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [id]);
      const revoke = () => client.revoke({ session: byCookie(cookie) });
      const waiting = [revoke(), revoke()];
      await untilBlockedBy(app.sql, held.pid);
      const error = await expectFailure(validate(client, cookie), "OVERLOADED");
      expect(error.rawMessage).to.equal(
        "the caller has 2 calls in flight, as many as it may (SESSIOND_MAX_CALLS_PER_CALLER); " +
          "retry later",
      );
      await createClient(Health, app.transport).check({});
      await held.commit();
      expect((await Promise.all(waiting)).filter(({ revoked }) => revoked)).to.have.length(1);
    } finally {
      await held.end();
    }
    await openSession(client);
  });

  it("refuses calls above the rate", async () => {
    const limited = await startReplica(app.database.url, {
      env: { SESSIOND_RATE_PER_CALLER: "1,2" },
    });
    try {
      const error = await until("a call is refused", async () => {
        const calls = numbers(10).map(() => limited.client.listSigningKeys({}));
        const outcomes = await Promise.allSettled(calls);
        return outcomes.find(({ status }) => status === "rejected");
      });
      const refused = Promise.reject((error as PromiseRejectedResult).reason);
      expect((await expectFailure(refused, "OVERLOADED")).rawMessage).to.equal(
        "the caller is above its rate of 1 per second with bursts of 2 " +
          "(SESSIOND_RATE_PER_CALLER); retry later",
      );
    } finally {
      await limited.stop();
    }
  });
});
