import { FAMILIES, type Family } from "./families.ts";
import type { Sample } from "./snapshot.ts";
import type { MetricSources, SigningKeyAges, WorkersState } from "./sources.ts";

/** A family, and how its samples are read. */
export type SampledFamily = readonly [family: Family, read: () => readonly Sample[]];

/** The families that are read at a scrape. */
export function sampledFamilies(sources: MetricSources): SampledFamily[] {
  const server = () => sources.server?.();
  const database = () => sources.database?.();
  const f = FAMILIES;
  return [
    [f.callsInFlight, () => one(server()?.callsInFlight)],
    [f.streamingCalls, () => one(server()?.streamingCalls)],
    [f.connections, () => by("protocol", server()?.connections)],
    [f.http2Streams, () => one(server()?.http2Streams)],
    [
      f.queueDepth,
      () => [
        ...by("queue", database()?.queued),
        ...by("queue", optional("turns", server()?.waitingForTurn)),
      ],
    ],
    [f.queueRejections, () => rejections(database()?.rejected)],
    [f.ready, () => one(numberOf(sources.isReady?.()))],
    [f.databaseUp, () => one(numberOf(sources.isDatabaseUp?.()))],
    [f.databaseLastAnswerAge, () => one(sources.lastAnswerAgeSeconds?.())],
    [f.databaseConnectionsMax, () => one(database()?.poolSize)],
    [f.databaseConnectionsInUse, () => by("bulkhead", database()?.inUse)],
    [
      f.databaseConnections,
      () => {
        const state = database();
        return state === undefined ? [] : by("state", { idle: state.idle, in_use: state.leased });
      },
    ],
    [f.tlsCertificateExpiry, () => one(seconds(sources.certificateExpiresAt?.()))],
    [f.signingKeys, () => by("state", statesOf(sources.signingKeys?.()))],
    [f.signingKeyAge, () => by("key", agesOf(sources.signingKeys?.()))],
    [f.tokenKeyAge, () => one(sources.tokenKeyAgeSeconds?.())],
    [f.sweepDue, () => one(seconds(sources.sweepDueAt?.()))],
    [f.auditEventsDropped, () => one(sources.auditEventsDropped?.())],
    [f.logLinesDropped, () => one(sources.logLinesDropped?.())],
    [f.workers, () => one(sources.workers?.().configured)],
    [f.workerRestarts, () => one(sources.workers?.().restarts)],
    [f.workerUp, () => workersUp(sources.workers?.())],
  ];
}

function one(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}

function by(label: string, counts: Readonly<Record<string, number | undefined>> = {}): Sample[] {
  return Object.entries(counts).flatMap(([key, value]) =>
    value === undefined ? [] : [{ labels: { [label]: key }, value }],
  );
}

function optional(key: string, value: number | undefined): Record<string, number> {
  return value === undefined ? {} : { [key]: value };
}

function rejections(
  rejected: Readonly<Record<string, Readonly<Record<string, number>>>> = {},
): Sample[] {
  return Object.entries(rejected).flatMap(([queue, causes]) =>
    Object.entries(causes).map(([cause, value]) => ({ labels: { queue, cause }, value })),
  );
}

function statesOf(keys: SigningKeyAges | undefined) {
  if (keys === undefined) return undefined;
  const { active, retired, unreadable } = keys;
  return { active, retired, unreadable };
}

function agesOf(keys: SigningKeyAges | undefined) {
  return { oldest: keys?.oldestActiveSeconds, default_tenant: keys?.defaultTenantSeconds };
}

function workersUp(workers: WorkersState | undefined): Sample[] {
  return [...(workers?.up ?? [])].map(([worker, isUp]) => {
    return { labels: { worker }, value: isUp ? 1 : 0 };
  });
}

function numberOf(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
