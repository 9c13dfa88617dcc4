/** One measurement. Figures that could not be measured are undefined. */
export interface Sample {
  readonly system: string;
  readonly inFlight: number;
  readonly round: number;
  readonly calls: number;
  readonly errors: number;
  /** With the calls of the warm-up and after the measurement; see LoadResult. */
  readonly answered?: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Us: number | undefined;
  readonly p99Us: number | undefined;
  /** CPU time of the server's process, user and system, for each call. */
  readonly serverCpuUs: number | undefined;
  /** CPU time of all PostgreSQL processes, including background processes, for each call. */
  readonly databaseCpuUs: number | undefined;
  readonly peakMemoryBytes: number | undefined;
  /** The share of one processor that the load generator used. */
  readonly generatorCpuShare: number | undefined;
  /** The share of calls that wrote, for calls that write only if a touch is due. */
  readonly writtenShare?: number;
}

/** How a process was warmed up before its samples of a round. */
export interface WarmUp {
  readonly system: string;
  readonly round: number;
  readonly seconds: number;
  /** Whether its rates had become steady; otherwise the limit has ended the warm-up. */
  readonly steady: boolean;
}

/** The figures of a sample that are summarised over the rounds. */
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
