import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { type SweepScheduleOptions, startSweepSchedule } from "../../src/jobs/sweep-schedule.ts";

const SECOND = 1000;

/** Sweeps that end when the test says so. */
function controlledSweeps() {
  const started: { readonly signal: AbortSignal; end(): void }[] = [];
  let running = 0;
  let mostRunning = 0;
  const sweep = async (signal: AbortSignal) => {
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    const { promise, resolve } = Promise.withResolvers<void>();
    started.push({ signal, end: resolve });
    await promise;
    running -= 1;
  };
  return { started, sweep, mostRunning: () => mostRunning };
}

describe("sweep schedule", () => {
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

  /** Advances the clock second by second, as time does. */
  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      mock.timers.tick(SECOND);
      await nextTurn();
    }
  }

  it("starts a sweep at each time of the configured interval (A24, A27)", async () => {
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

  it("skips a sweep while the last one is still running, with a warning (A24)", async () => {
    const { started, sweep, mostRunning } = controlledSweeps();
    start({ sweep });
    await pass(5);
    expect(started).to.have.length(1);
    expect(warnings).to.have.length(4);

    started[0]?.end();
    await nextTurn();
    await pass(1);
    expect(started).to.have.length(2);
    expect(mostRunning()).to.equal(1);
    started[1]?.end();
  });

  it("starts no further sweep after stop (A24)", async () => {
    const { started, sweep } = controlledSweeps();
    const schedule = start({ sweep: async (signal) => void sweep(signal) });
    await pass(1);
    await schedule.stop();
    await pass(5);
    expect(started).to.have.length(1);
  });

  it("aborts the running sweep on stop and waits until it has ended (A24)", async () => {
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

  it("does not start a sweep whose jitter was interrupted by stop (A24)", async () => {
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

  it("delays a sweep by its share of the jitter (A24)", async () => {
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

  it("can be stopped before the first sweep, and again (A24)", async () => {
    const schedule = start({ sweep: async () => {} });
    await schedule.stop();
    await schedule.stop();
  });
});
