import { expect } from "chai";
import { RetryInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { startTestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { until } from "../support/until.ts";

describe("a caller above its own limit (F13)", () => {
  it("is refused with a delay to retry and the limit, and is no overload of the service", async () => {
    const [web, shop] = [newToken(), newToken()];
    const file = await createTestFile(
      tokenLine(web, { name: "web" }),
      tokenLine(shop, { name: "shop" }),
    );
    const lines: Record<string, unknown>[] = [];
    const app = await startTestApp({
      env: { SESSIOND_CALLERS_FILE: file.path, SESSIOND_RATE_PER_CALLER: "1,2" },
      onLog: (line) => lines.push(JSON.parse(line)),
    });
    const above = clientOf(app.url, withToken(web));
    const other = clientOf(app.url, withToken(shop));
    const actor = { actorType: "user", actorId: "alice" };
    try {
      const refused = await until("a call is refused", async () => {
        const calls = Array.from({ length: 10 }, () => above.client.list({ actor }));
        const outcomes = await Promise.allSettled(calls);
        return outcomes.find(({ status }) => status === "rejected") as PromiseRejectedResult;
      });
      const error = await expectFailure(Promise.reject(refused.reason), "OVERLOADED");
      expect(error.rawMessage).to.include("(SESSIOND_RATE_PER_CALLER)");
      expect(error.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds).to.equal(1n);
      await other.client.list({ actor });
    } finally {
      above.close();
      other.close();
      await app.stop();
      await file.remove();
    }
    const logged = (text: RegExp) => lines.filter(({ msg }) => text.test(msg as string));
    const [line, ...more] = logged(/^call refused/);
    expect(more, "once a minute").to.deep.equal([]);
    expect(line).to.include({
      level: 40,
      msg: "call refused: the caller is above its limit",
      caller: "web",
      limit: "SESSIOND_RATE_PER_CALLER",
    });
    expect(logged(/overloaded/)).to.deep.equal([]);
    const [summary] = logged(/^calls refused: their callers are above/);
    expect(summary?.callers).to.have.nested.property("[0].caller", "web");
  });
});
