import type { Attack, Finding, Scale } from "./attack.ts";
import { attacks as connections } from "./attacks/connections.ts";
import { attacks as contention } from "./attacks/contention.ts";
import { attacks as headerAttacks } from "./attacks/huge-headers.ts";
import { attacks as overload } from "./attacks/overload.ts";
import { attacks as rebinding } from "./attacks/rebinding.ts";
import { attacks as streaming } from "./attacks/streaming.ts";
import type { ClientFigures } from "./client-figures.ts";
import { runAttack } from "./run-attack.ts";
import { startTarget, WITHOUT_GUARDS } from "./target.ts";
import { startWellBehavedClient, type WellBehavedClient } from "./well-behaved-client.ts";

/** An attack that must not hold, because the guard against it is missing or what it finds is wrong. */
export interface Control {
  readonly name: string;
  readonly attack: Attack;
  /** The failures that it must have. */
  readonly failures: readonly RegExp[];
  /** Beside this client, instead of the real one. */
  readonly client?: WellBehavedClient;
  /** Instead of the limit of the suite. */
  readonly limitMs?: number;
}

function named(attacks: readonly Attack[], name: string): Attack {
  const attack = attacks.find((candidate) => candidate.name === name);
  if (attack === undefined) throw new Error(`there is no attack ${name}`);
  return attack;
}

/** On a server whose guards the settings have moved out of the way. */
function unguarded(
  attacks: readonly Attack[],
  name: string,
  ...failures: readonly RegExp[]
): Control {
  return { name: `control: ${name}`, attack: named(attacks, name), failures };
}

const fine: Finding = { summary: "", failures: [] };
const seen: ClientFigures = { calls: 1, failures: {}, failed: 0, p50: 1, p99: 1, slowest: 1 };
const clientThatSees = (figures: ClientFigures): WellBehavedClient => ({
  figures: async () => figures,
  stop: async () => {},
});
const fake = (run: Attack["run"]): Attack => ({ name: "a fake", shows: "nothing", run });

/** That the run of an attack finds what it looks for, whatever the attack says itself. */
const ofTheRun: readonly Control[] = [
  {
    name: "control: a call of the well-behaved client fails",
    attack: fake(async () => fine),
    client: clientThatSees({ ...seen, failed: 1, failures: { "gRPC: no": 1 } }),
    failures: [/^1 of 1 calls of the well-behaved client failed/],
  },
  {
    name: "control: an attack hangs",
    attack: fake(() => new Promise(() => {})),
    limitMs: 100,
    failures: [/a fake has not ended within 0.1 s/],
  },
  {
    name: "control: an attack throws",
    attack: fake(async () => {
      throw new Error("no");
    }),
    failures: [/^the attack itself failed: Error: no/],
  },
];

export const controls: readonly Control[] = [
  ...ofTheRun,
  unguarded(rebinding, "rebinding", /is answered with 200/),
  unguarded(contention, "limit-burst", /sessions are live/),
  unguarded(connections, "idle-connections", /connections open, too many/),
  unguarded(streaming, "watch-flood", /Watches are served/, /^what it holds open takes/),
  unguarded(overload, "overload, List", /no call ended with resource_exhausted/),
  unguarded(headerAttacks, "huge-headers", /is served/),
];

/** Runs controls, and returns what they did not find. */
export async function runControls(
  chosen: readonly Control[],
  scale: Scale,
  limitMs: number,
): Promise<readonly string[]> {
  await using target = await startTarget("plain", WITHOUT_GUARDS);
  const real = startWellBehavedClient(target.access);
  const missed: string[] = [];
  try {
    for (const control of chosen) {
      const { name, attack, client = real } = control;
      const { memory } = target;
      const run = { target, memory, scale, client, alone: seen, limitMs, ...control };
      const { failures: found } = await runAttack(attack, run);
      const notFound = control.failures.filter(
        (failure) => !found.some((text) => failure.test(text)),
      );
      console.log(`${notFound.length === 0 ? "found " : "MISSED"} ${name}`);
      for (const text of found) console.log(`       ${text.split("\n", 1)[0]?.slice(0, 200)}`);
      missed.push(...notFound.map((failure) => `${name}: ${failure} was not found`));
    }
  } finally {
    await real.stop();
  }
  return missed;
}
