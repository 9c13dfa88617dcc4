import { setTimeout as delay } from "node:timers/promises";
import type { Held, Scale, Target } from "./attack.ts";
import { AttackConnection, type OpenOptions } from "./attack-connection.ts";

export interface FloodOptions {
  /** How many connections attack at the same time. */
  readonly connections?: number;
  /** The most units per second, of all connections together. */
  readonly rate: number;
  /** The flood lasts until so many units have been sent, however slow the machine is. */
  readonly minUnits: number;
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
  /** How many connections the server has ended, with or without a GOAWAY. */
  readonly ended: number;
  /** How many connections the server has neither ended nor answered a PING on. */
  readonly unanswered: number;
  /** Calls that it has begun to serve. */
  readonly served: number;
  /** How many connections were open at the same time, at most. */
  readonly atOnce: number;
}

/**
 * Repeats something on connections that are renewed whenever the server closes them. The last ones
 * stay open.
 */
export async function flood(
  target: Target,
  scale: Scale,
  held: Held,
  options: FloodOptions,
): Promise<FloodResult> {
  const { rate, minUnits, next, begin, unitsPerConnection = Number.POSITIVE_INFINITY } = options;
  const goaways = new Map<number, number>();
  let units = 0;
  let connections = 0;
  let resets = 0;
  let ended = 0;
  let unanswered = 0;
  let served = 0;
  const atOnce = options.connections ?? 4;
  const start = performance.now();
  const goesOn = () => performance.now() - start < scale.floodMs || units < minUnits;

  async function attackOnce(): Promise<void> {
    const connection = await AttackConnection.open(target, held, options.open);
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
    const answered = await connection.settled();
    const { goaway, closed } = connection;
    resets += connection.resets;
    served += connection.served;
    if (goaway !== undefined) goaways.set(goaway, (goaways.get(goaway) ?? 0) + 1);
    if (closed || goaway !== undefined) ended += 1;
    else if (!answered) unanswered += 1;
    if (goesOn()) connection.socket.destroy();
  }

  async function attacker(): Promise<void> {
    while (goesOn()) await attackOnce();
  }
  await Promise.all(Array.from({ length: atOnce }, attacker));
  return { units, connections, resets, goaways, ended, unanswered, served, atOnce };
}

/** A failure if the server has left connections alone. The end of the flood cuts the last ones. */
export function notEnded({ connections, ended, atOnce }: FloodResult): string[] {
  const left = connections - ended;
  return ended > 0 && left <= atOnce
    ? []
    : [`${left} of ${connections} connections were not ended`];
}

/** A failure if the server has neither reset each stream nor ended their connections. */
export function notRefused(result: FloodResult): string[] {
  const { units, resets } = result;
  if (resets >= units || notEnded(result).length === 0) return [];
  return [`only ${resets} of ${units} streams were reset, and their connections not ended`];
}

export function summaryOf(what: string, result: FloodResult): string {
  const goaways = [...result.goaways].map(([code, count]) => `${count} with code ${code}`);
  return (
    `${result.units} ${what} on ${result.connections} connections, ${result.resets} streams reset, ` +
    `${result.ended} connections ended, ` +
    `GOAWAY: ${goaways.join(", ") || "none"}`
  );
}
