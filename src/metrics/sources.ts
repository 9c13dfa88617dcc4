/** What is read at a scrape. Each method returns at once; none asks the database. */

/** By queue or the like, all values that there can be. */
type Counts = Readonly<Record<string, number>>;

export interface ServerState {
  /** By protocol. */
  readonly connections: Counts;
  readonly http2Streams: number;
  readonly callsInFlight: number;
  readonly streamingCalls: number;
  readonly waitingForTurn: number;
}

export interface DatabaseState {
  readonly poolSize: number;
  /** Connections of the pool that nobody uses. */
  readonly idle: number;
  /** Connections of the pool that are in use. */
  readonly leased: number;
  /** Permits for a connection that are given out, by bulkhead. */
  readonly inUse: Counts;
  /** Calls that wait, by queue. */
  readonly queued: Counts;
  /** Since the start, by queue. */
  readonly rejected: Readonly<Record<string, Readonly<Record<"full" | "timeout", number>>>>;
}

export interface SigningKeyAges {
  readonly active: number;
  readonly retired: number;
  readonly unreadable: number;
  /** Undefined: there is no active key. */
  readonly oldestActiveSeconds: number | undefined;
  readonly defaultTenantSeconds: number | undefined;
}

/** Undefined, or a method that is absent: nothing to tell, and so no sample. */
export interface MetricSources {
  server?(): ServerState;
  database?(): DatabaseState;
  /** Of the process that serves /readyz: what it answers. */
  isReady?(): boolean;
  /** The database, as the readiness sees it. */
  isDatabaseUp?(): boolean;
  lastAnswerAgeSeconds?(): number;
  signingKeys?(): SigningKeyAges | undefined;
  tokenKeyAgeSeconds?(): number | undefined;
  /** By the Unix epoch, in milliseconds. */
  certificateExpiresAt?(): number | undefined;
  /** By when a sweep has to succeed, by the Unix epoch, in milliseconds. */
  sweepDueAt?(): number | undefined;
  auditEventsDropped?(): number;
  logLinesDropped?(): number;
  /** Of the primary process, and of a process without workers. */
  workers?(): WorkersState;
}

export interface WorkersState {
  readonly configured: number;
  /** By number; whether it has answered. */
  readonly up: ReadonlyMap<number, boolean>;
  readonly restarts: number;
}
