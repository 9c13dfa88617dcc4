import { until } from "../../support/until.ts";
import { percentile } from "../percentile.ts";
import type { Scenario } from "../scenario.ts";
import type { FaultServer } from "../server.ts";
import { World } from "../world.ts";

/** The deadline of the calls while the database is silent, and how many of them are waited for. */
const DEADLINE_MS = 500;
const CALLS = 100;

interface Silence {
  readonly begin: (world: World, server: FaultServer) => void;
  readonly end: (world: World, server: FaultServer) => void;
}

const restore = (world: World) => {
  for (const { proxy } of world.replicas) proxy.restore();
};

const stopped: Silence = {
  begin: (_, server) => server.suspend(),
  end: (_, server) => server.resume(),
};

const unreachable: readonly Silence[] = [
  {
    begin: (world) => {
      for (const { proxy } of world.replicas) proxy.freeze();
    },
    end: restore,
  },
  {
    begin: (world) => {
      for (const { proxy } of world.replicas) proxy.holdAnswers();
    },
    end: restore,
  },
  {
    begin: (world) => {
      for (const { proxy } of world.replicas) proxy.holdQuestions();
    },
    end: restore,
  },
  {
    begin: (world) => {
      for (const { proxy } of world.replicas) proxy.refuse();
    },
    end: restore,
  },
];

/** The database is there and does not answer: calls end by their deadlines, and later all is well. */
function silentDatabase(name: string, fault: string, silences: readonly Silence[]): Scenario {
  return {
    name,
    fault,
    async run(server, scale) {
      await using world = await World.open(server);
      world.startLoad(2);
      const lateness: number[] = [];
      const rounds = scale.of(4, 40);
      for (let round = 0; round < rounds; round += 1) {
        await world.load.more(50);
        const silence = silences[round % silences.length] as Silence;
        silence.begin(world, server);
        try {
          lateness.push(...(await callWithDeadline(world)));
        } finally {
          silence.end(world, server);
        }
        await world.recovered(performance.now());
      }
      const late = percentile(lateness, 0.99);
      return {
        ...world.report(rounds, await world.check()),
        figures: { "p99 of calls past their deadline (ms)": Math.round(late) },
      };
    },
  };
}

/** How many milliseconds after its deadline each call has ended; negative if before. */
async function callWithDeadline(world: World): Promise<number[]> {
  const lateness: number[] = [];
  const clients = world.replicas.flatMap((replica) => [
    world.client(replica),
    world.client(replica),
  ]);
  const call = async (client: (typeof clients)[number]) => {
    const startedAt = performance.now();
    await client.create({ timeoutMs: DEADLINE_MS });
    lateness.push(performance.now() - startedAt - DEADLINE_MS);
  };
  await Promise.all(
    clients.map((client) => Promise.all(Array.from({ length: CALLS / 4 }, () => call(client)))),
  );
  await until("all calls have ended", async () => lateness.length >= CALLS);
  return lateness;
}

export const stoppedDatabase = silentDatabase("stopped-database", "PostgreSQL stopped (SIGSTOP)", [
  stopped,
]);

export const unreachableDatabase = silentDatabase(
  "unreachable-database",
  "PostgreSQL unreachable: frozen, one direction held, refused",
  unreachable,
);
