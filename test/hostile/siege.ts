import { setTimeout as delay } from "node:timers/promises";
import type { Attack, Scale, Target } from "./attack.ts";
import { descriptors, memoryMib } from "./process-figures.ts";
import type { VictimFigures } from "./victim-figures.ts";
import { waitUntil } from "./wait-until.ts";
import type { WellBehavedClient } from "./well-behaved-client.ts";

/**
 * What an attack may leave behind: V8 keeps the heap that it has grown to, 180 MiB after 5,000 bad
 * inputs on a fresh process. The bound finds memory that attackers hold, not small leaks.
 */
const MEMORY_FACTOR = 1.1;
const MEMORY_SLACK_MIB = 256;
/** Connections of the database's pool, and of clients that have just connected. */
const DESCRIPTOR_SLACK = 40;
const SAMPLE_MS = 50;

export interface Result {
  readonly name: string;
  readonly shows: string;
  readonly held: boolean;
  readonly failures: readonly string[];
  readonly summary: string;
  readonly seconds: number;
  readonly victim: VictimFigures;
  /** The 99th percentile beside the attack, divided by the one alone. */
  readonly p99Ratio: number;
  readonly memoryMib: { readonly before: number; readonly peak: number; readonly after: number };
  readonly descriptors: { readonly before: number; readonly after: number };
  readonly inputs?: { readonly tried: number; readonly internal: number };
}

export interface SiegeOptions {
  readonly target: Target;
  readonly scale: Scale;
  readonly victim: WellBehavedClient;
  /** The well-behaved client's figures without an attack. */
  readonly alone: VictimFigures;
  /** The memory of the server after it has warmed up. */
  readonly warmMib: number;
}

/** Carries out an attack beside the well-behaved client. It holds if nobody else is harmed. */
export async function siege(attack: Attack, options: SiegeOptions): Promise<Result> {
  const { target, scale, victim, alone, warmMib } = options;
  const { pid } = target;
  const before = { memory: memoryMib(pid), descriptors: descriptors(pid) };
  let peak = before.memory;
  const sampler = setInterval(() => {
    peak = Math.max(peak, memoryMib(pid));
  }, SAMPLE_MS);
  await victim.figures();
  const start = performance.now();
  const failures: string[] = [];
  let summary = "";
  let inputs: Result["inputs"];
  try {
    const finding = await attack.run(target, scale);
    summary = finding.summary;
    inputs = finding.inputs;
    failures.push(...finding.failures);
  } catch (error) {
    failures.push(`the attack itself failed: ${(error as Error).stack}`);
  }
  const seconds = Math.round((performance.now() - start) / 100) / 10;

  // The victim's calls that the attack still delays.
  await delay(SAMPLE_MS);
  const memoryBound = Math.max(before.memory, warmMib) * MEMORY_FACTOR + MEMORY_SLACK_MIB;
  const descriptorBound = before.descriptors + DESCRIPTOR_SLACK;
  const isBack = () => memoryMib(pid) <= memoryBound && descriptors(pid) <= descriptorBound;
  const back = await waitUntil(isBack);
  clearInterval(sampler);
  const seen = await victim.figures();
  const after = { memory: memoryMib(pid), descriptors: descriptors(pid) };
  if (!back) {
    failures.push(
      `${after.memory} MiB and ${after.descriptors} descriptors afterwards, before it ` +
        `${before.memory} MiB and ${before.descriptors}`,
    );
  }
  const failed = attack.mustSucceed === "health" ? seen.healthFailed : seen.failed;
  if (failed > 0) {
    const kinds = JSON.stringify(seen.failures);
    failures.push(`${failed} of ${seen.calls} calls of the well-behaved client failed: ${kinds}`);
  }
  if (seen.calls === 0) failures.push("the well-behaved client made no call");
  return {
    name: attack.name,
    shows: attack.shows,
    held: failures.length === 0,
    failures,
    summary,
    seconds,
    victim: seen,
    p99Ratio: Math.round((seen.p99 / alone.p99) * 10) / 10,
    memoryMib: { before: before.memory, peak, after: after.memory },
    descriptors: { before: before.descriptors, after: after.descriptors },
    ...(inputs !== undefined && { inputs }),
  };
}
