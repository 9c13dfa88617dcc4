import { expect } from "chai";
import {
  type DatabaseHost,
  HostError,
  PrimaryLocator,
  type PrimaryLocatorOptions,
} from "../../src/storage/pg/primary-locator.ts";
import { until } from "../support/until.ts";

const A: DatabaseHost = { url: "postgres://a/x", address: "a:5432" };
const B: DatabaseHost = { url: "postgres://b/x", address: "b:5432" };

/** What a host answers: its timeline, or an error; never, if it is a promise that does not settle. */
type Answer = number | Error | Promise<number>;

function locatorOf(answers: Record<string, Answer>, options: Partial<PrimaryLocatorOptions> = {}) {
  const asked: string[] = [];
  const moves: string[] = [];
  const locator = new PrimaryLocator([A, B], {
    async probe({ address }) {
      asked.push(address);
      const answer = await answers[address];
      if (typeof answer === "number") return answer;
      throw answer;
    },
    onMove: (from, to) => moves.push(`${from.address} to ${to.address}`),
    intervalMs: 1,
    ...options,
  });
  return { locator, answers, asked, moves };
}

const standby = new Error("it is read-only");
const silence = new Promise<never>(() => {});

describe("the primary among several hosts (P05)", () => {
  for (const [name, answers, primary] of [
    ["the only host that accepts writes", { "a:5432": standby, "b:5432": 7 }, B],
    ["the one on the newest timeline", { "a:5432": 6, "b:5432": 7 }, B],
    ["the first one, if several are on the newest timeline", { "a:5432": 7, "b:5432": 7 }, A],
    ["found while another host does not answer", { "a:5432": silence, "b:5432": 1 }, B],
  ] as const) {
    it(`is ${name}`, async () => {
      const { locator } = locatorOf(answers);
      await locator.locate();
      expect(locator.current).to.equal(primary);
    });
  }

  it("is the former one if none accepts writes, and each host says why", async () => {
    const { locator } = locatorOf({ "a:5432": new Error("refused"), "b:5432": standby });
    const error = await locator.locate().catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(AggregateError);
    const { errors } = error as AggregateError;
    expect(errors.every((each) => each instanceof HostError)).to.equal(true);
    expect(errors.map(({ address, cause }) => `${address}: ${cause.message}`)).to.deep.equal([
      "a:5432: refused",
      "b:5432: it is read-only",
    ]);
    expect(locator.current).to.equal(A);
  });

  it("is never one on an older timeline than before, even if no other host answers", async () => {
    const { locator, answers, moves } = locatorOf({ "a:5432": standby, "b:5432": 2 });
    await locator.locate();
    answers["a:5432"] = 1;
    answers["b:5432"] = new Error("refused");
    const error = await locator.locate().catch((thrown: unknown) => thrown);
    const [a, b] = (error as AggregateError).errors;
    expect(a.cause.message).to.match(/on timeline 1, and timeline 2 was used before; .*restart/);
    expect(b.cause.message).to.equal("refused");
    expect(locator.current).to.equal(B);
    // A promotion of the host that is current already counts, too.
    answers["b:5432"] = 3;
    await locator.locate();
    answers["a:5432"] = 2;
    answers["b:5432"] = standby;
    const again = await locator.locate().catch((thrown: unknown) => thrown);
    expect(again).to.be.instanceOf(AggregateError);
    answers["a:5432"] = 4;
    await locator.locate();
    expect(moves).to.deep.equal(["a:5432 to b:5432", "b:5432 to a:5432"]);
  });

  it("is one on a newer timeline that answers after the round", async () => {
    const slow = Promise.withResolvers<number>();
    const { locator, moves } = locatorOf({ "a:5432": 1, "b:5432": slow.promise });
    await locator.locate();
    expect(locator.current).to.equal(A);
    slow.resolve(2);
    await until("it has moved", async () => locator.current === B);
    expect(moves).to.deep.equal(["a:5432 to b:5432"]);
  });

  it("is searched for until a host accepts writes, by one search for all who ask", async () => {
    const found = locatorOf({ "a:5432": standby, "b:5432": standby });
    const { locator, answers, asked, moves } = found;
    let left = 0;
    locator.follow(() => {
      left += 1;
    });
    locator.follow(() => expect.fail("it does not follow any more"))();
    for (let calls = 0; calls < 100; calls += 1) locator.relocate();
    await until("several rounds", async () => asked.length >= 10);
    answers["b:5432"] = 2;
    await until("it is found", async () => locator.current === B);
    expect({ moves, left }).to.deep.equal({ moves: ["a:5432 to b:5432"], left: 1 });
    const rounds = asked.length;
    expect(rounds % 2, "each round asks each host once").to.equal(0);
    locator.relocate();
    await until("another round", async () => asked.length > rounds);
    expect(moves).to.have.length(1);
  });

  it("is found in a later round while another host never answers, which is asked once", async () => {
    const answers = { "a:5432": silence, "b:5432": standby };
    const found = locatorOf(answers, { roundMs: 10 });
    found.locator.relocate();
    await until("several rounds", async () => found.asked.length >= 5);
    expect(found.asked.filter((address) => address === A.address)).to.have.length(1);
    found.answers["b:5432"] = 2;
    await until("it is found", async () => found.locator.current === B);
  });

  it("is found by an answer that takes longer than a round", async () => {
    const slow = Promise.withResolvers<number>();
    const answers = { "a:5432": standby, "b:5432": slow.promise };
    const { locator, asked } = locatorOf(answers, { roundMs: 10 });
    locator.relocate();
    await until("several rounds", async () => asked.length >= 5);
    slow.resolve(2);
    await until("it is found", async () => locator.current === B);
    expect(asked.filter((address) => address === B.address)).to.have.length(1);
  });

  it("is not searched for any more after the end", async () => {
    const { locator, answers, asked } = locatorOf({ "a:5432": standby, "b:5432": standby });
    locator.relocate();
    await until("a round", async () => asked.length >= 2);
    locator.close();
    answers["b:5432"] = 2;
    await until("the round has ended", async () => asked.length % 2 === 0);
    await locator.locate();
    expect(locator.current).to.equal(A);
  });
});
