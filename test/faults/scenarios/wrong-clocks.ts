import { join } from "node:path";
import { inParallel, numbers } from "../../support/in-parallel.ts";
import { until } from "../../support/until.ts";
import type { RecordingClient } from "../recorder.ts";
import { broken, type Scenario } from "../scenario.ts";
import { World } from "../world.ts";

const FIVE_MINUTES_MS = 300_000;
const SHIFTS_MS: Readonly<Record<string, number>> = { a: FIVE_MINUTES_MS, b: -FIVE_MINUTES_MS };
const PRELOAD = join(import.meta.dirname, "../shifted-clock.ts");

const LIFETIME_MS = 2000;
/** How many sessions expire at the same time. */
const WIDTH = 20;

/** One replica is five minutes fast and the other one slow: sessions expire when they should. */
export const wrongClocks: Scenario = {
  name: "wrong-clocks",
  fault: "Clocks of the replicas five minutes fast and slow",
  async run(server, scale) {
    await using world = await World.open(server, {
      nodeArgs: () => ["--import", PRELOAD],
      replicaEnv: (name) => ({ FAULTS_CLOCK_SHIFT_MS: String(SHIFTS_MS[name]) }),
    });
    const violations = world.replicas
      .filter(({ name, process }) => !isShifted(process.stderr, SHIFTS_MS[name] ?? 0))
      .map(({ name }) => broken("control", `the clock of ${name} is right`));
    const clients = world.replicas.map((replica) => world.client(replica));
    const count = scale.of(WIDTH, 20 * WIDTH);
    await inParallel(WIDTH, numbers(count), (index) => live(clients, index));
    violations.push(...(await world.check()));
    return world.report(count, violations);
  },
};

/** Uses a session on both replicas until it has expired on both. Half of them are touched. */
async function live(clients: readonly RecordingClient[], index: number): Promise<void> {
  const client = clients[index % 2] as RecordingClient;
  const session = await until("a session is open", () =>
    client.create({ idleTimeoutMs: 1000, absoluteTimeoutMs: LIFETIME_MS }),
  );
  // What is accepted long after the deadline is for the checker to report.
  const givesUpAt = performance.now() + 2 * LIFETIME_MS;
  const isAccepted = (other: RecordingClient) =>
    index % 4 < 2 ? other.validate(session) : other.touch(session);
  for (const other of clients) {
    await until("it has expired", async () => {
      return !(await isAccepted(other)) || performance.now() > givesUpAt;
    });
  }
}

/** Whether the lines of a log have been written at another time than now. */
function isShifted(log: string, shiftMs: number): boolean {
  const times = [...log.matchAll(/"time":("?)([^",}]+)\1/g)].map(([, , time = ""]) => {
    return /^\d+$/.test(time) ? Number(time) : Date.parse(time);
  });
  const tolerance = FIVE_MINUTES_MS / 2;
  return (
    times.length > 0 && times.every((time) => Math.abs(time - Date.now() - shiftMs) < tolerance)
  );
}
