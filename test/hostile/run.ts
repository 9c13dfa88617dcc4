/**
 * Attacks sessiond processes that it starts itself, on a PostgreSQL that it starts itself, beside a
 * well-behaved client. docs/hostile.md describes it. Exits with 1 if anything did not hold, or if a
 * control did.
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { percentile } from "../faults/percentile.ts";
import { becomesTrue } from "../support/until.ts";
import type { Attack, Scale, TargetKind } from "./attack.ts";
import { allAttacks } from "./attacks.ts";
import type { ClientFigures } from "./client-figures.ts";
import { controls, runControls } from "./controls.ts";
import { formatTable } from "./report.ts";
import { type Result, runAttack } from "./run-attack.ts";
import { startTarget } from "./target.ts";
import { startWellBehavedClient, type WellBehavedClient } from "./well-behaved-client.ts";

/** Enforced in full, and for the median of all attacks: a single ratio says more about the machine. */
const MAX_P99_RATIO = 5;
/** What the ratio of each attack should be below. Printed, and not enforced. */
const P99_RATIO_GOAL = 3;
const ATTACK_LIMIT_MS = { short: 3 * 60_000, full: 10 * 60_000 };

const { values } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "string" },
    log: { type: "string" },
  },
});
if (process.platform !== "linux") {
  console.error("the hostile suite needs Linux: /proc, and all of 127.0.0.0/8 as addresses");
  process.exit(2);
}
const { full, only } = values;
const scale: Scale = { full, floodMs: full ? 6000 : 1500 };
const limitMs = full ? ATTACK_LIMIT_MS.full : ATTACK_LIMIT_MS.short;

const results: Result[] = [];
const alone: ClientFigures[] = [];
const failures: string[] = [];
const logs: string[] = [];

/** What the client sees for a while without an attack. */
async function figuresAlone(client: WellBehavedClient, ms: number): Promise<ClientFigures> {
  await client.figures();
  await delay(ms);
  return client.figures();
}

function print(word: string, { name, summary, failures: broken }: Result): void {
  console.log(`${word} ${name}: ${summary}`);
  for (const failure of broken) console.log(`       ${failure}`);
}

/** Carries out attacks one after the other. One that cannot be measured is the last. */
async function attackAll(kind: TargetKind, attacks: readonly Attack[]): Promise<void> {
  await using target = await startTarget(kind);
  const client = startWellBehavedClient(target.access);
  try {
    let calls = 0;
    await becomesTrue(async () => {
      calls += (await client.figures()).calls;
      return calls > 200;
    });
    let before = await figuresAlone(client, full ? 10_000 : 3000);
    alone.push(before);
    for (const attack of attacks) {
      if (full) before = await figuresAlone(client, 5000);
      const { memory } = target;
      const result = await runAttack(attack, {
        target,
        memory,
        scale,
        client,
        alone: before,
        limitMs,
      });
      results.push(result);
      print(result.held ? "held  " : "BROKEN", result);
    }
  } catch (error) {
    const name = attacks[results.length]?.name;
    failures.push(`the suite ended at or after ${name}: ${(error as Error).stack}`);
  } finally {
    await client.stop();
  }
  failures.push(...(await target.stop()));
  logs.push(target.log);
}

const isChosen = ({ name, fullOnly }: Pick<Attack, "name" | "fullOnly">) =>
  only === undefined ? full || fullOnly !== true : name.includes(only);
const chosen = allAttacks.filter(isChosen);
const chosenControls = controls.filter(({ name }) => only === undefined || name.includes(only));
if (chosen.length + chosenControls.length === 0) {
  console.error(`no attack has "${only}" in its name`);
  process.exit(2);
}
for (const kind of ["plain", "secured"] as const) {
  const attacks = chosen.filter(({ target = "plain" }) => target === kind);
  if (attacks.length > 0) await attackAll(kind, attacks);
}
if (chosenControls.length > 0) {
  failures.push(...(await runControls(chosenControls, scale, limitMs)));
}

for (const { name, failures: broken } of results) {
  failures.push(...broken.map((failure) => `${name}: ${failure}`));
}
if (results.length > 0) console.log(`\n${formatTable(results, alone)}`);
const medianRatio = percentile(
  results.map(({ p99Ratio }) => p99Ratio),
  0.5,
);
console.log(`p99 beside an attack, divided by the one before it: median ${medianRatio}`);
const misses = results.filter(({ p99Ratio }) => p99Ratio >= P99_RATIO_GOAL);
console.log(
  `the goal of a ratio below ${P99_RATIO_GOAL} is missed beside ${misses.length} of ${results.length} attacks` +
    misses.map(({ name, p99Ratio }) => `\n  ${name}: ${p99Ratio}`).join(""),
);
if (full && medianRatio > MAX_P99_RATIO) {
  failures.push(`the median of the ratios is ${medianRatio}, and ${MAX_P99_RATIO} is allowed`);
}
for (const failure of failures) console.log(`FAILED ${failure}`);
if (values.log !== undefined) await writeFile(values.log, logs.join(""));
if (values.json !== undefined) {
  const report = { full, alone, results, failures };
  await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
}
process.exitCode = failures.length === 0 ? 0 : 1;
