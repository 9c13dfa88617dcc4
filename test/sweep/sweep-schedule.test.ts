import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { type SweepScheduleOptions, startSweepSchedule } from "../../src/jobs/sweep-schedule.ts";

const SECOND = 1000;

/** Sweeps that the test lets end when it wants to. */
function controlledSweeps() {
  const started: { readonly signal: AbortSignal; end(): void }[] = [];
  let atWork = 0;
  let mostAtWork = 0;
  const sweep = async (signal: AbortSignal) => {
    atWork += 1;
    mostAtWork = Math.max(mostAtWork, atWork);
    const { promise, resolve } = Promise.withResolvers<void>();
    started.push({ signal, end: resolve });
    await promise;
    atWork -= 1;
  };
  return { started, sweep, mostAtWork: () => mostAtWork };
}

describe("the schedule of sweeps", () => {
  const warnings: string[] = [];
  const stops: (() => Promise<void>)[] = [];

  beforeEach(() => {
    warnings.length = 0;
    // At a full second, so that a tick of n seconds is n seconds of the schedule.
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.UTC(2030, 0, 1) });
  });
  afterEach(async () => {
    mock.timers.reset();
    for (const stop of stops.splice(0)) await stop();
  });

  function start(options: Pick<SweepScheduleOptions, "sweep"> & Partial<SweepScheduleOptions>) {
    const schedule = startSweepSchedule({
      schedule: "* * * * * *",
      jitterMs: 0,
      onWarning: (message) => warnings.push(message),
      ...options,
    });
    stops.push(() => schedule.stop());
    return schedule;
  }

  /** Lets time pass second by second, as it does. */
  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      mock.timers.tick(SECOND);
      await nextTurn();
    }
  }

  it("A24: a sweep is made at each time of the schedule", async () => {
    const { started, sweep } = controlledSweeps();
    start({ sweep: async (signal) => void sweep(signal) });
    expect(started).to.be.empty;
    await pass(3);
    expect(started).to.have.length(3);
  });

  it("A24, A27: the interval is the configured one", async () => {
    let sweeps = 0;
    const sweep = async () => {
      sweeps += 1;
    };
    start({ sweep, schedule: "*/10 * * * *" });
    await pass(10 * 60 - 1);
    expect(sweeps).to.equal(0);
    await pass(1);
    expect(sweeps).to.equal(1);
    await pass(10 * 60);
    expect(sweeps).to.equal(2);
  });

  it("A24: never two at once: one that is still at work is not joined by the next", async () => {
    const { started, sweep, mostAtWork } = controlledSweeps();
    start({ sweep });
    await pass(5);
    expect(started).to.have.length(1);
    expect(warnings).to.have.length(4);

    started[0]?.end();
    await nextTurn();
    await pass(1);
    expect(started).to.have.length(2);
    expect(mostAtWork()).to.equal(1);
    started[1]?.end();
  });

  it("A24: stop starts no further sweep", async () => {
    const { started, sweep } = controlledSweeps();
    const schedule = start({ sweep: async (signal) => void sweep(signal) });
    await pass(1);
    await schedule.stop();
    await pass(5);
    expect(started).to.have.length(1);
  });

  it("A24: stop aborts the sweep at work and waits until it has ended", async () => {
    const { started, sweep } = controlledSweeps();
    const schedule = start({ sweep });
    await pass(1);
    expect(started[0]?.signal.aborted).to.equal(false);

    let stopped = false;
    const stopping = schedule.stop().then(() => {
      stopped = true;
    });
    await nextTurn();
    expect(started[0]?.signal.aborted).to.equal(true);
    expect(stopped).to.equal(false);
    started[0]?.end();
    await stopping;
    expect(stopped).to.equal(true);
  });

  it("A24: stop during the jitter leaves the sweep unmade", async () => {
    const { started, sweep } = controlledSweeps();
    const random = mock.method(Math, "random", () => 0.5);
    const schedule = start({ sweep, jitterMs: 10 * SECOND });
    await pass(3);
    expect(started).to.be.empty;
    await schedule.stop();
    await pass(60);
    random.mock.restore();
    expect(started).to.be.empty;
  });

  it("A24: the jitter puts a sweep off by its share", async () => {
    const { started, sweep } = controlledSweeps();
    const random = mock.method(Math, "random", () => 0.5);
    start({ sweep, schedule: "0 * * * *", jitterMs: 60 * SECOND });
    await pass(3600 + 29);
    expect(started).to.be.empty;
    await pass(1);
    random.mock.restore();
    expect(started).to.have.length(1);
    started[0]?.end();
  });

  it("A24: stop can be called before anything was swept, and again", async () => {
    const schedule = start({ sweep: async () => {} });
    await schedule.stop();
    await schedule.stop();
  });
});
