import { mock } from "node:test";
import { expect } from "chai";
import { SweepDeadline } from "../../src/jobs/sweep-deadline.ts";
import { longestGapMs, nextRun } from "../../src/jobs/sweep-schedule.ts";

const MINUTE = 60_000;

/** In the time zone of the process, as schedules are. */
const at = (hours: number, minutes: number, ms = 0) =>
  new Date(2030, 0, 1, hours, minutes).getTime() + ms;

describe("when a sweep is due", () => {
  beforeEach(() => {
    mock.timers.enable({ apis: ["Date"], now: at(10, 20) });
  });
  afterEach(() => mock.timers.reset());

  it("is the next time of the schedule, with the jitter and the time limit (A24)", () => {
    const options = { schedule: "0 * * * *", jitterMs: 5 * MINUTE, timeLimitMs: MINUTE };
    const deadline = new SweepDeadline(options);
    expect(deadline.at, "before sweeps are scheduled").to.equal(undefined);
    deadline.renew();
    expect(deadline.at).to.equal(at(11, 6));
    mock.timers.setTime(at(13, 30));
    expect(deadline.at, "while none succeeds").to.equal(at(11, 6));
    deadline.renew();
    expect(deadline.at).to.equal(at(14, 6));
  });

  it("is after now, also at a time of the schedule (A24)", () => {
    for (const [now, next] of [
      [at(10, 59, 59_999), at(11, 0)],
      [at(11, 0), at(12, 0)],
      [at(11, 0, 1), at(12, 0)],
    ] as const) {
      mock.timers.setTime(now);
      expect(nextRun("0 * * * *").getTime()).to.equal(next);
    }
    expect(nextRun("0 0 1 2 *").getTime()).to.equal(new Date(2030, 1, 1).getTime());
  });

  it("is unknown without a schedule (A24)", () => {
    const deadline = new SweepDeadline({ schedule: undefined, jitterMs: 0, timeLimitMs: MINUTE });
    deadline.renew();
    expect(deadline.at).to.equal(undefined);
  });
});

describe("the longest pause of a schedule", () => {
  const HOUR = 60 * MINUTE;
  // On a day when clocks change, it may be an hour longer.
  for (const [schedule, ms] of [
    ["0 * * * *", HOUR],
    ["* * * * * *", 1000],
    ["0 3 * * *", 24 * HOUR],
    ["0 8-18 * * 1-5", 62 * HOUR],
    ["* 8-18 * * 1-5", 61 * HOUR + MINUTE],
    ["0 0 * 1-6 *", 185 * 24 * HOUR],
    ["0 0 1 1 *", 366 * 24 * HOUR],
  ] as const) {
    it(`is that between two of its runs: ${schedule} (A24)`, () => {
      expect(longestGapMs(schedule)).to.be.within(ms, ms + HOUR);
    });
  }
});
