/** All metrics of sessiond's own. docs/metrics.md has the same table, which `npm run docs` makes of this one. */

/** How the values of several processes become one: those of labels are merged by themselves. */
export type Merge = "sum" | "max" | "min";

export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly merge: Merge;
  /** Of a gauge: whether its last value still counts when its process has ended. Counters always do. */
  readonly isKept?: true;
  readonly help: string;
}

function counter(name: string, labels: readonly string[], help: string): Family {
  return { name, type: "counter", labels, merge: "sum", help };
}

function gauge(name: string, labels: readonly string[], help: string, merge: Merge = "sum") {
  return { name, type: "gauge", labels, merge, help } as const satisfies Family;
}

function histogram(name: string, labels: readonly string[], help: string): Family {
  return { name, type: "histogram", labels, merge: "sum", help };
}

/** The value of a label for everything above its bound, and for requests that no method gets. */
export const OTHER = "_other";

/** In the groups of docs/metrics.md. */
export const FAMILY_GROUPS = {
  Calls: {
    rpcCalls: counter(
      "sessiond_rpc_calls_total",
      ["rpc", "code"],
      "Calls that have ended, by method and gRPC code. Requests for no method have the rpc _other.",
    ),
    rpcDuration: histogram(
      "sessiond_rpc_duration_seconds",
      ["rpc"],
      "Time from the arrival of a call's headers to its end. Without requests that are refused before any handler. A native histogram, too.",
    ),
    callsInFlight: gauge("sessiond_calls_in_flight", [], "Calls that have begun and not ended."),
    streamingCalls: gauge(
      "sessiond_streaming_calls",
      [],
      "Open streaming calls: Watch of the health service, and reflection.",
    ),
    extAuthzChecks: counter(
      "sessiond_ext_authz_checks_total",
      ["decision"],
      "Checks for Envoy, by decision: allowed, anonymous, denied, redirected, unavailable or misconfigured.",
    ),
    tokensIssued: counter(
      "sessiond_tokens_issued_total",
      ["cached"],
      "Tokens for upstreams, by whether the token was made before (true) or signed for the call (false).",
    ),
  },
  Refusals: {
    refusals: counter(
      "sessiond_refusals_total",
      ["rpc", "reason"],
      "Calls that failed for a reason of sessiond.v1.ErrorReason: the real one, also with uniform errors.",
    ),
    callerRefusals: counter(
      "sessiond_caller_refusals_total",
      ["caller", "limit"],
      "Calls that were refused because of a limit, by caller. The limit is the setting of the caller's own limit, or queue: too many calls waited, and the caller had most of them or waited for too long.",
    ),
    forgedCookies: counter(
      "sessiond_forged_cookies_total",
      [],
      "Cookies in sessiond's form whose signature is wrong or whose signing key does not exist.",
    ),
  },
  Queues: {
    batchSize: histogram(
      "sessiond_batch_size",
      ["statement"],
      "Items of each batched statement: how many calls share one.",
    ),
    queueDepth: gauge("sessiond_queue_depth", ["queue"], "Calls that wait, by queue."),
    queueRejections: counter(
      "sessiond_queue_rejections_total",
      ["queue", "cause"],
      "Calls refused with OVERLOADED, by queue: the queue was full, or the call waited for too long (timeout).",
    ),
  },
  Database: {
    ready: gauge(
      "sessiond_ready",
      [],
      "Whether /readyz has status 200: 1 or 0. It is 0 while sessiond starts, drains, or waits for the database.",
    ),
    databaseUp: gauge(
      "sessiond_database_up",
      [],
      "Whether the database answers: 1 or 0. It is 0 if it does not for one of the workers.",
      "min",
    ),
    databaseLastAnswerAge: gauge(
      "sessiond_database_last_answer_age_seconds",
      [],
      "Time since the database last answered a statement.",
      "max",
    ),
    databaseConnections: gauge(
      "sessiond_database_connections",
      ["state"],
      "Connections of the pool: idle or in_use.",
    ),
    databaseConnectionsMax: gauge(
      "sessiond_database_connections_max",
      [],
      "The size of the pool: SESSIOND_DATABASE_POOL_SIZE.",
    ),
    databaseConnectionsInUse: gauge(
      "sessiond_database_connections_in_use",
      ["bulkhead"],
      "Connections in use, or about to be, by kind of work.",
    ),
  },
  Connections: {
    connections: gauge(
      "sessiond_connections",
      ["protocol"],
      "Open connections of clients: http1, http2, or undecided until the first bytes have arrived.",
    ),
    http2Streams: gauge("sessiond_http2_streams", [], "Open HTTP/2 streams."),
    connectionsRefused: counter(
      "sessiond_connections_refused_total",
      ["limit"],
      "Connections closed at once because of a limit: max_connections or max_connections_per_peer.",
    ),
    http2BudgetViolations: counter(
      "sessiond_http2_budget_violations_total",
      ["budget"],
      "HTTP/2 connections ended because the client exceeded a limit against floods: frames, resets, rapid_resets, headers, streams or other.",
    ),
    tlsCertificateExpiry: gauge(
      "sessiond_tls_certificate_expiry_timestamp_seconds",
      [],
      "When the TLS certificate, or one of its chain, expires, since the Unix epoch. Absent without TLS.",
      "min",
    ),
  },
  Keys: {
    signingKeyAge: gauge(
      "sessiond_signing_key_age_seconds",
      ["key"],
      "Age of active signing keys: the oldest one of any tenant, and that of the tenant default (default_tenant). Read once a minute.",
      "max",
    ),
    signingKeys: gauge(
      "sessiond_signing_keys",
      ["state"],
      "Signing keys of all tenants: active, retired, or unreadable (this sessiond cannot decrypt them; they count among the others too). Read once a minute.",
      "max",
    ),
    tokenKeyAge: gauge(
      "sessiond_token_key_age_seconds",
      [],
      "Age of the key that signs tokens for upstreams. Absent without tokens.",
      "max",
    ),
  },
  Sweep: {
    sweepRuns: counter(
      "sessiond_sweep_runs_total",
      ["result"],
      "Sweeps by result: complete, more (the time limit came first), failed (in part or as a whole), cancelled (its caller gave up, its deadline passed, or the process stopped), or skipped (another one was running).",
    ),
    sweepDeleted: counter(
      "sessiond_sweep_deleted_total",
      ["part"],
      "Rows that sweeps have deleted.",
    ),
    sweepDuration: gauge(
      "sessiond_sweep_duration_seconds",
      [],
      "How long the last sweep of this process took, of those that were neither cancelled nor skipped.",
      "max",
    ),
    sweepLastSuccess: {
      ...gauge(
        "sessiond_sweep_last_success_timestamp_seconds",
        [],
        "When a sweep last ended without a failure, since the Unix epoch. Absent before the first one.",
        "max",
      ),
      isKept: true,
    },
    sweepDue: gauge(
      "sessiond_sweep_due_timestamp_seconds",
      [],
      "By when a sweep has to succeed, since the Unix epoch: the first time of SESSIOND_SWEEP_SCHEDULE after the last success, or after this process began to sweep by it, plus the jitter and the time limit. Absent without a schedule.",
      "max",
    ),
  },
  Process: {
    auditEventsDropped: counter(
      "sessiond_audit_events_dropped_total",
      [],
      "Audit events of denials that could not be written.",
    ),
    logLinesDropped: counter(
      "sessiond_log_lines_dropped_total",
      [],
      "Lines of the log that were dropped because nobody reads it fast enough.",
    ),
    eventLoopDelay: gauge(
      "sessiond_event_loop_delay_seconds",
      ["worker", "statistic"],
      "By how much timers were late since the last scrape: p50, p99 and max.",
      "max",
    ),
    memoryLimit: gauge(
      "sessiond_memory_limit_bytes",
      [],
      "The memory that the container, or the machine, has for all processes.",
      "max",
    ),
    buildInfo: gauge(
      "sessiond_build_info",
      ["version", "node", "commit"],
      "1. Its labels say what runs. The commit is unknown unless the build was told.",
      "max",
    ),
    workers: gauge("sessiond_workers", [], "Configured number of processes that serve.", "max"),
    workerUp: gauge(
      "sessiond_worker_up",
      ["worker"],
      "Whether the worker has answered this scrape: 1 or 0. Without workers, the process is worker 1.",
      "max",
    ),
    workerRestarts: counter(
      "sessiond_worker_restarts_total",
      [],
      "Workers that have ended unexpectedly and were replaced.",
    ),
  },
} as const satisfies Record<string, Record<string, Family>>;

export const FAMILIES = {
  ...FAMILY_GROUPS.Calls,
  ...FAMILY_GROUPS.Refusals,
  ...FAMILY_GROUPS.Queues,
  ...FAMILY_GROUPS.Database,
  ...FAMILY_GROUPS.Connections,
  ...FAMILY_GROUPS.Keys,
  ...FAMILY_GROUPS.Sweep,
  ...FAMILY_GROUPS.Process,
};

/** The labels of a sample. All samples of a family have the same. */
export type Labels = Readonly<Record<string, string | number>>;
