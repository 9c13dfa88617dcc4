import { expect } from "chai";
import { type Level, type Logger, pino } from "pino";
import { CallLog, type FailedCall } from "../../src/log/call-log.ts";

describe("CallLog", () => {
  let lines: Record<string, unknown>[];
  let now: number;
  let callLog: CallLog;
  let log: Logger;

  function start(level: Level = "info"): void {
    lines = [];
    now = 0;
    const options = { level, base: null, timestamp: false };
    log = pino(options, { write: (line: string) => lines.push(JSON.parse(line)) });
    callLog = new CallLog(log, { clock: () => now, sampled: { rpcs: ["s/Often"], oneIn: 3 } });
  }
  beforeEach(() => start());

  function fail(code: string, reason?: string, options: Partial<FailedCall> = {}, rpc = "s/A") {
    callLog.callFailed({ fields: { rpc, requestId: "id", code, reason, ms: 1.5 }, ...options });
  }

  function succeed(rpc = "s/A", provesDatabase = true) {
    callLog.callSucceeded({ rpc, requestId: "id", code: "OK", ms: 1 }, { provesDatabase });
  }

  it("logs a failed call with its fields", () => {
    const fields = { rpc: "s/A", requestId: "id", caller: "web", tenant: "t" } as const;
    callLog.callFailed({ fields: { ...fields, code: "NOT_FOUND", reason: "R", ms: 1.5 } });
    expect(lines).to.deep.equal([
      { level: 30, ...fields, code: "NOT_FOUND", reason: "R", ms: 1.5, msg: "call failed" },
    ]);
  });

  it("logs what callers do every day as info, mistakes and slowness as warn, defects as error", () => {
    const levels = {
      info: ["UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "FAILED_PRECONDITION"],
      warn: ["INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"],
      error: ["INTERNAL", "UNKNOWN", "DATA_LOSS"],
    };
    for (const [level, codes] of Object.entries(levels)) {
      for (const code of codes) {
        fail(code);
        expect(lines.at(-1), code).to.include({ level: pino.levels.values[level], code });
      }
    }
    for (const code of ["CANCELLED", "UNAVAILABLE"]) {
      fail(code);
      expect(lines.at(-1), code).to.include({ level: 30, code });
    }
  });

  it("logs what is unexpected as error, with stack and cause", () => {
    const unexpected = new Error("outer", { cause: new Error("inner") });
    fail("NOT_FOUND", undefined, { unexpected });
    expect(lines[0]).to.include({ level: 50 });
    const { err } = lines[0] as { err: { stack: string } };
    expect(err.stack).to.match(/outer[\s\S]*inner/);
  });

  it("logs at most ten lines a second for each code and reason", () => {
    for (let call = 0; call < 15; call += 1) {
      for (const reason of ["A", "B"]) fail("UNAUTHENTICATED", reason);
    }
    expect(lines).to.have.length(20);
    now = 999;
    fail("UNAUTHENTICATED", "A");
    expect(lines).to.have.length(20);
    now = 1000;
    fail("UNAUTHENTICATED", "A");
    expect(lines).to.have.length(21);
  });

  it("tells once a minute what it did not log, by RPC, code and reason", () => {
    for (let call = 0; call < 14; call += 1) fail("NOT_FOUND", "R", {}, call < 12 ? "s/A" : "s/B");
    for (let call = 0; call < 11; call += 1) fail("INTERNAL");
    lines = [];
    now = 59_999;
    callLog.tick();
    expect(lines).to.deep.equal([]);
    now = 60_000;
    callLog.tick();
    expect(lines).to.deep.equal([
      {
        level: 40,
        calls: [
          { rpc: "s/A", code: "NOT_FOUND", reason: "R", count: 2 },
          { rpc: "s/B", code: "NOT_FOUND", reason: "R", count: 2 },
          { rpc: "s/A", code: "INTERNAL", count: 1 },
        ],
        msg: "calls failed, not logged one by one",
      },
    ]);
    now = 120_000;
    callLog.tick();
    expect(lines, "only what is new").to.have.length(1);
  });

  it("tells once a minute how many calls were denied without an audit event, by reason", () => {
    for (let call = 0; call < 3; call += 1) fail("UNAUTHENTICATED", "A", { unaudited: true });
    fail("PERMISSION_DENIED", "B", { unaudited: true });
    fail("UNAUTHENTICATED", "C");
    lines = [];
    for (const minute of [1, 2]) {
      now = minute * 60_000;
      callLog.tick();
    }
    const msg = "calls denied without an audit event";
    expect(lines).to.deep.equal([{ level: 30, reasons: { A: 3, B: 1 }, msg }]);
  });

  for (const [outage, began, still, ended] of [
    [
      "database",
      "the database does not answer: calls fail",
      "the database still does not answer: calls fail",
      "the database answers again after 12 s, 25 calls failed",
    ],
    [
      "overload",
      "overloaded: calls are refused",
      "still overloaded: calls are refused",
      "no longer overloaded after 12 s, 25 calls were refused",
    ],
  ] as const) {
    it(`combines the failures of an outage (${outage}): three lines`, () => {
      const unexpected = new Error("ECONNREFUSED");
      for (let call = 0; call < 25; call += 1) {
        fail("UNAVAILABLE", "R", { outage, unexpected }, call % 2 ? "s/A" : "s/B");
      }
      expect(lines).to.have.length(1);
      expect(lines[0]).to.include({ level: 50, msg: began, rpc: "s/B", requestId: "id" });
      expect(lines[0]).to.have.nested.property("err.stack");
      expect(callLog.observesSuccess).to.equal(true);

      now = 10_000;
      callLog.tick();
      expect(lines).to.have.length(2);
      const rpcs = { "s/A": 12, "s/B": 12 };
      expect(lines[1]).to.deep.equal({ level: 50, failed: 24, rpcs, seconds: 10, msg: still });

      now = 12_000;
      succeed();
      expect(lines).to.have.length(3);
      expect(lines[2]).to.deep.equal({ level: 40, failed: 25, seconds: 12, msg: ended });
      expect(callLog.observesSuccess).to.equal(false);
    });
  }

  it("does not end an outage with a success that does not show that the database answers", () => {
    fail("UNAVAILABLE", "S", { outage: "database" });
    now = 5000;
    succeed("s/A", false);
    expect(lines).to.have.length(1);
    expect(callLog.observesSuccess).to.equal(true);
  });

  it("keeps the outages apart", () => {
    fail("UNAVAILABLE", "S", { outage: "database" });
    now = 5000;
    fail("RESOURCE_EXHAUSTED", "O", { outage: "overload" });
    succeed();
    expect(callLog.observesSuccess).to.equal(true);
    expect(lines.map(({ msg }) => msg)).to.deep.equal([
      "the database does not answer: calls fail",
      "overloaded: calls are refused",
      "the database answers again after 5 s, 1 calls failed",
    ]);
  });

  it("combines calls that fail for lack of JWT keys, and observes no success for them", () => {
    const unexpected = new Error("fetch failed");
    const keysFail = () =>
      fail("UNAVAILABLE", "CALLER_KEYS_UNAVAILABLE", { outage: "keys", unexpected });
    for (let call = 0; call < 25; call += 1) keysFail();
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include({
      level: 50,
      msg: "the keys that verify JWTs are not available: calls fail",
    });
    expect(lines[0]).to.have.nested.property("err.stack");
    expect(callLog.observesSuccess).to.equal(false);

    now = 10_000;
    keysFail();
    // Of a call with a token: the keys are still missing.
    succeed();
    callLog.tick();
    expect(lines.slice(1)).to.deep.equal([
      {
        level: 50,
        failed: 25,
        rpcs: { "s/A": 25 },
        seconds: 10,
        msg: "the keys that verify JWTs are still not available: calls fail",
      },
    ]);
    now = 39_999;
    callLog.tick();
    expect(lines).to.have.length(2);
    now = 40_000;
    callLog.tick();
    expect(lines.slice(2)).to.deep.equal([
      {
        level: 40,
        failed: 26,
        seconds: 40,
        msg: "calls no longer fail for lack of JWT keys after 40 s, 26 calls failed",
      },
    ]);
  });

  it("has a line a minute for each caller above its limit, counts the rest, and sees no overload", () => {
    const refuse = (caller: string | undefined, callerLimit = "RATE") => {
      const fields = { rpc: "s/A", requestId: "id", caller, code: "RESOURCE_EXHAUSTED", ms: 1 };
      callLog.callFailed({ fields, callerLimit });
    };
    for (let call = 0; call < 15; call += 1) refuse("web");
    for (let call = 0; call < 3; call += 1) refuse("shop");
    refuse("web", "CALLS");
    refuse(undefined);
    const msg = "call refused: the caller is above its limit";
    expect(lines.map((line) => [line.level, line.caller, line.limit, line.msg])).to.deep.equal([
      [40, "web", "RATE", msg],
      [40, "shop", "RATE", msg],
      [40, "web", "CALLS", msg],
      [40, undefined, "RATE", msg],
    ]);
    expect(callLog.observesSuccess).to.equal(false);

    lines = [];
    now = 60_000;
    callLog.tick();
    expect(lines).to.deep.equal([
      {
        level: 40,
        callers: [
          { caller: "web", limit: "RATE", count: 15 },
          { caller: "shop", limit: "RATE", count: 3 },
          { caller: "web", limit: "CALLS", count: 1 },
          { limit: "RATE", count: 1 },
        ],
        msg: "calls refused: their callers are above their limits",
      },
    ]);
    refuse("web");
    expect(lines.at(-1)).to.include({ caller: "web", msg });
  });

  it("names at most ten callers above their limits a second, and twenty a minute", () => {
    for (let caller = 0; caller < 50; caller += 1) {
      const fields = { rpc: "s/A", requestId: "id", caller: `${caller}`, code: "X", ms: 1 };
      callLog.callFailed({ fields, callerLimit: "RATE" });
    }
    expect(lines).to.have.length(10);
    callLog.close();
    expect(lines.at(-1)?.callers).to.have.length(20);
    expect(lines.at(-1)?.others).to.equal(30);
  });

  describe("at level debug", () => {
    beforeEach(() => start("debug"));

    it("logs every successful call", () => {
      expect(callLog.observesSuccess).to.equal(true);
      succeed();
      const call = { rpc: "s/A", requestId: "id", code: "OK", ms: 1 };
      expect(lines).to.deep.equal([{ level: 20, ...call, msg: "call" }]);
    });

    it("samples the calls of one RPC, but not those that fail", () => {
      for (let call = 0; call < 7; call += 1) succeed("s/Often");
      expect(lines).to.have.length(2);
      for (let call = 0; call < 7; call += 1) fail("NOT_FOUND", undefined, {}, "s/Often");
      expect(lines).to.have.length(9);
    });

    it("logs every failed call of a flood and of an outage, those of the outage with one stack", () => {
      for (let call = 0; call < 30; call += 1) fail("NOT_FOUND");
      const unexpected = new Error("ECONNREFUSED");
      for (let call = 0; call < 30; call += 1) {
        fail("UNAVAILABLE", "R", { outage: "database", unexpected });
      }
      expect(lines).to.have.length(60);
      expect(lines.filter((line) => "err" in line)).to.have.length(1);
      lines = [];
      now = 60_000;
      callLog.tick();
      expect(lines.map(({ msg }) => msg)).to.deep.equal([
        "the database still does not answer: calls fail",
      ]);
    });
  });

  it("follows a change of the level until it is closed", () => {
    succeed();
    log.level = "debug";
    expect(callLog.observesSuccess).to.equal(true);
    succeed();
    log.level = "info";
    expect(callLog.observesSuccess).to.equal(false);
    succeed();
    expect(lines).to.have.length(1);
    callLog.close();
    log.level = "debug";
    expect(callLog.observesSuccess).to.equal(false);
  });

  it("writes what it has counted when it is closed", () => {
    for (let call = 0; call < 12; call += 1) fail("NOT_FOUND");
    callLog.close();
    expect(lines.at(-1)).to.deep.include({ calls: [{ rpc: "s/A", code: "NOT_FOUND", count: 2 }] });
  });
});
