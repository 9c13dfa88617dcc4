import { GENEROUS_LIMITS } from "../../support/app.ts";
import { inParallel, numbers } from "../../support/in-parallel.ts";
import { until } from "../../support/until.ts";
import type { RecordingClient } from "../recorder.ts";
import type { Scale, Scenario } from "../scenario.ts";
import { World, type WorldOptions } from "../world.ts";

const WIDTH = 24;
/** Of sessions that expire: long enough to be used before, on a slow machine. */
const LIFETIME_MS = 3000;

type Race = (clients: readonly RecordingClient[], index: number) => Promise<void>;

function races(name: string, fault: string, race: Race, options: RaceOptions): Scenario {
  return {
    name,
    fault,
    async run(server, scale) {
      await using world = await World.open(server, options.world);
      const clients = world.replicas.flatMap((replica) => [
        world.client(replica),
        world.client(replica),
      ]);
      const count = options.count(scale);
      let isOver = false;
      const sweeping = options.sweep ? sweepUntil(clients, () => isOver) : undefined;
      await inParallel(options.width(scale), numbers(count), (index) => race(clients, index));
      isOver = true;
      await sweeping;
      return world.report(count, await world.check());
    },
  };
}

interface RaceOptions {
  readonly world?: WorldOptions;
  /** How many races run at once. */
  width(scale: Scale): number;
  readonly sweep?: true;
  count(scale: Scale): number;
}

async function sweepUntil(
  clients: readonly RecordingClient[],
  isOver: () => boolean,
): Promise<void> {
  const sweep = async (client: RecordingClient) => {
    while (!isOver()) await client.sweep();
  };
  await Promise.all(clients.map(sweep));
}

/** Touches and Revokes of one session, on all replicas at the same moment, in changing order. */
async function touchAgainstRevoke(
  clients: readonly RecordingClient[],
  index: number,
): Promise<void> {
  const [a, b, c, d] = rotated(clients, index) as [
    RecordingClient,
    RecordingClient,
    RecordingClient,
    RecordingClient,
  ];
  const session = await until("a session is open", () => a.create());
  const calls = [
    () => a.touch(session),
    () => b.revoke(session),
    () => c.touch(session),
    () => c.revoke(session),
    () => d.validate(session),
  ];
  await Promise.all(rotated(calls, Math.floor(index / clients.length)).map((call) => call()));
  await Promise.all([a.validate(session), b.validate(session), c.touch(session)]);
}

/** Touches of a session until it has expired, while sweeps run on all replicas. */
async function touchAgainstSweep(
  clients: readonly RecordingClient[],
  index: number,
): Promise<void> {
  const [a, b] = rotated(clients, index) as [RecordingClient, RecordingClient];
  const session = await until("a session is open", () =>
    a.create({ idleTimeoutMs: LIFETIME_MS, absoluteTimeoutMs: LIFETIME_MS }),
  );
  for (let isLive = true; isLive; ) {
    const accepted = await Promise.all([a.touch(session), b.touch(session)]);
    isLive = accepted.some(Boolean);
  }
  await b.validate(session);
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

export const revokeRaces = races("revoke-races", "Touch against Revoke", touchAgainstRevoke, {
  width: () => WIDTH,
  count: (scale) => scale.of(200, 10_000),
});

export const sweepRaces = races("sweep-races", "Touch against the sweep", touchAgainstSweep, {
  width: (scale) => scale.of(30, 200),
  sweep: true,
  world: { env: { ...GENEROUS_LIMITS, SESSIOND_HISTORY_WINDOW: "0s" } },
  count: (scale) => scale.of(60, 10_000),
});
