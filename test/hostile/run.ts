/**
 * Attacks a sessiond that it starts itself, on a PostgreSQL that it starts itself, beside a
 * well-behaved client. docs/hostile.md describes it. Exits with 1 if anything did not hold.
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Attack, Scale } from "./attack.ts";
import { allAttacks } from "./attacks.ts";
import { memoryMib } from "./process-figures.ts";
import { formatTable } from "./report.ts";
import { type Result, siege } from "./siege.ts";
import { startTarget } from "./target.ts";
import type { VictimFigures } from "./victim-figures.ts";
import { waitUntil } from "./wait-until.ts";
import { startWellBehavedClient } from "./well-behaved-client.ts";

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
const scale: Scale = { full: values.full, floodMs: values.full ? 6000 : 1500 };
const isChosen = ({ name, fullOnly }: Pick<Attack, "name" | "fullOnly">) =>
  values.only === undefined ? values.full || fullOnly !== true : name.includes(values.only);
const chosen = allAttacks.filter(isChosen);
if (chosen.length === 0) {
  console.error(`no attack has "${values.only}" in its name`);
  process.exit(2);
}

const results: Result[] = [];
const failures: string[] = [];
let alone: VictimFigures | undefined;
{
  await using target = await startTarget();
  {
    const { cookie } = await target.open();
    const victim = startWellBehavedClient(target.url, cookie);
    try {
      let calls = 0;
      await waitUntil(async () => {
        calls += (await victim.figures()).calls;
        return calls > 200;
      });
      await delay(scale.full ? 10_000 : 3000);
      alone = await victim.figures();
      const warmMib = memoryMib(target.pid);
      for (const attack of chosen) {
        const result = await siege(attack, { target, scale, victim, alone, warmMib });
        results.push(result);
        console.log(`${result.held ? "held  " : "BROKEN"} ${attack.name}: ${result.summary}`);
        for (const failure of result.failures) console.log(`       ${failure}`);
      }
    } finally {
      await victim.stop();
    }
  }
  failures.push(...(await target.stop()));
  if (values.log !== undefined) await writeFile(values.log, target.log);
}
for (const { name, held } of results) if (!held) failures.push(`${name} did not hold`);
if (alone !== undefined) console.log(`\n${formatTable(results, alone)}`);
for (const failure of failures) console.log(`FAILED ${failure}`);
if (values.json !== undefined) {
  const report = { full: scale.full, alone, results, failures };
  await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
}
process.exitCode = failures.length === 0 ? 0 : 1;
