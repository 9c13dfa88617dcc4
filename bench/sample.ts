/** One measurement. Undefined is what could not be measured. */
export interface Sample {
  readonly system: string;
  readonly inFlight: number;
  readonly round: number;
  readonly calls: number;
  readonly errors: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Us: number | undefined;
  readonly p99Us: number | undefined;
  /** CPU of the server's process, user and system, for each call. */
  readonly serverCpuUs: number | undefined;
  /** CPU of all of PostgreSQL's processes, those in the background included, for each call. */
  readonly databaseCpuUs: number | undefined;
  readonly peakMemoryBytes: number | undefined;
  /** How busy the load generator was, of the one processor that it has. */
  readonly generatorCpuShare: number | undefined;
  /** Of the calls that may write, how many did. */
  readonly writtenShare?: number;
}

/** The figures of a sample that are summed up over the rounds. */
export const FIGURES = [
  "perSecond",
  "p50Us",
  "p99Us",
  "serverCpuUs",
  "databaseCpuUs",
  "peakMemoryBytes",
  "generatorCpuShare",
  "writtenShare",
] as const satisfies readonly (keyof Sample)[];

export type Figure = (typeof FIGURES)[number];
