import { setTimeout as delay } from "node:timers/promises";
import type { Scale, Target } from "./attack.ts";
import { AttackConnection, type OpenOptions } from "./attack-connection.ts";

export interface FloodOptions {
  /** How many connections attack at the same time. */
  readonly connections?: number;
  /** The most units per second, of all connections together. */
  readonly rate: number;
  readonly open?: OpenOptions;
  /** Called once for each connection. */
  readonly begin?: (connection: AttackConnection) => void;
  /** The bytes of the next units, and how many there are. */
  readonly next: (connection: AttackConnection) => { units: number; bytes: Uint8Array };
  /** After so many units a connection is replaced by a new one. */
  readonly unitsPerConnection?: number;
}

export interface FloodResult {
  readonly units: number;
  readonly connections: number;
  /** RST_STREAM frames of the server. */
  readonly resets: number;
  /** How many connections had a GOAWAY, by its error code. */
  readonly goaways: ReadonlyMap<number, number>;
}

/** Repeats something on connections that are renewed whenever the server closes them. */
export async function flood(
  target: Target,
  scale: Scale,
  options: FloodOptions,
): Promise<FloodResult> {
  const { rate, next, begin, unitsPerConnection = Number.POSITIVE_INFINITY } = options;
  const goaways = new Map<number, number>();
  let units = 0;
  let connections = 0;
  let resets = 0;
  const start = performance.now();
  const goesOn = () => performance.now() - start < scale.floodMs;

  async function attackOnce(): Promise<void> {
    const connection = await AttackConnection.open(target, options.open);
    if (connection === undefined) return delay(5);
    connections += 1;
    begin?.(connection);
    let mine = 0;
    while (goesOn() && !connection.closed && mine < unitsPerConnection) {
      if (units > ((performance.now() - start) * rate) / 1000) {
        await delay(1);
        continue;
      }
      const { units: more, bytes } = next(connection);
      units += more;
      mine += more;
      await connection.flood(bytes);
    }
    await connection.settled();
    resets += connection.resets;
    const { goaway } = connection;
    if (goaway !== undefined) goaways.set(goaway, (goaways.get(goaway) ?? 0) + 1);
    connection.socket.destroy();
  }

  async function attacker(): Promise<void> {
    while (goesOn()) await attackOnce();
  }
  await Promise.all(Array.from({ length: options.connections ?? 4 }, attacker));
  return { units, connections, resets, goaways };
}

export function summaryOf(what: string, result: FloodResult): string {
  const goaways = [...result.goaways].map(([code, count]) => `${count} with code ${code}`);
  return (
    `${result.units} ${what} on ${result.connections} connections, ${result.resets} streams reset, ` +
    `GOAWAY: ${goaways.join(", ") || "none"}`
  );
}
