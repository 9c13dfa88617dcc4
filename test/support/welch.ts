/** Decides whether the time of a function tells two classes of inputs apart (dudect's method). */

/** |t| above it is evidence of a difference; dudect's threshold. */
const LEAK = 10;
/** Below it after all samples there is none. Between the two, more samples decide. */
const NO_LEAK = 4.5;
const BATCH = 20_000;
const MIN_SAMPLES = 100_000;
/** To find a leak of the size of the control's on a busy machine, fewer are not enough. */
const MIN_SAMPLES_WITHOUT_LEAK = 300_000;
const MAX_SAMPLES = 2_000_000;
/** The slowest samples are dropped: they are interruptions of the process. */
const KEPT = 0.8;

export interface TimingVerdict {
  readonly leaks: boolean;
  /** Welch's t statistic. Positive: the first class is slower. */
  readonly t: number;
  readonly samples: number;
}

interface Moments {
  count: number;
  mean: number;
  /** The sum of squared differences from the mean. */
  squares: number;
}

function add(moments: Moments, value: number): void {
  moments.count += 1;
  const difference = value - moments.mean;
  moments.mean += difference / moments.count;
  moments.squares += difference * (value - moments.mean);
}

/** Welch's t test: the difference of two means, in units of its standard error. */
function welch(a: Moments, b: Moments): number {
  const error = a.squares / (a.count - 1) / a.count + b.squares / (b.count - 1) / b.count;
  return error === 0 ? 0 : (a.mean - b.mean) / Math.sqrt(error);
}

/**
 * Measures an operation on two inputs, in random order, until the statistic is clear. One function
 * for both, so that the compiler treats them alike. A sample is the time of several repetitions.
 *
 * A difference that is still between the thresholds after the last sample counts as none: it is too
 * small to be a comparison that ends early, as the control of the test shows.
 */
export function compareTimes<Input>(
  operation: (input: Input) => unknown,
  [first, second]: readonly [Input, Input],
  repetitions: number,
): TimingVerdict {
  const time = (input: Input) => {
    const start = process.hrtime.bigint();
    for (let repetition = 0; repetition < repetitions; repetition += 1) operation(input);
    return Number(process.hrtime.bigint() - start);
  };
  // The compiler gets to know it before anything counts.
  for (let round = 0; round < BATCH; round += 1) {
    time(first);
    time(second);
  }
  const moments: [Moments, Moments] = [
    { count: 0, mean: 0, squares: 0 },
    { count: 0, mean: 0, squares: 0 },
  ];
  for (;;) {
    const batch: [index: 0 | 1, ns: number][] = [];
    for (let round = 0; round < BATCH; round += 1) {
      const index = Math.random() < 0.5 ? 0 : 1;
      batch.push([index, time(index === 0 ? first : second)]);
    }
    // One limit for both classes: a limit for each would hide a difference.
    const sorted = batch.map(([, ns]) => ns).sort((a, b) => a - b);
    const limit = sorted[Math.floor(sorted.length * KEPT)] ?? 0;
    for (const [index, ns] of batch) if (ns <= limit) add(moments[index], ns);
    const t = welch(...moments);
    const samples = moments[0].count + moments[1].count;
    const leaks = Math.abs(t) > LEAK;
    if (samples >= MAX_SAMPLES) return { leaks, t, samples };
    if (samples >= MIN_SAMPLES && leaks) return { leaks, t, samples };
    if (samples >= MIN_SAMPLES_WITHOUT_LEAK && Math.abs(t) < NO_LEAK) return { leaks, t, samples };
  }
}
