import { becomesTrue } from "../support/until.ts";
import type { Attack, Finding, Held, Scale, Target } from "./attack.ts";
import type { ClientFigures } from "./client-figures.ts";
import type { Memory } from "./memory.ts";
import { descriptors, residentMib } from "./process-figures.ts";
import type { WellBehavedClient } from "./well-behaved-client.ts";

/** What the server may use for what an attack holds open, unless the attack says otherwise. */
const MAX_HELD_MIB = 16;
/** What an attack may leave behind: caches, and code that had not run before. */
const MAX_LEFT_MIB = 12;
/** How far resident memory may grow meanwhile: with garbage, and the memory that V8 keeps for later. */
const MAX_PEAK_MIB = 320;
/** Connections of the database's pool, and of clients that have just connected. */
const DESCRIPTOR_SLACK = 40;
const SAMPLE_MS = 50;
/** How long to wait until connections that have been closed are gone on the server's side, too. */
const RECOVERY_LIMIT_MS = 60_000;

export interface Result {
  readonly name: string;
  readonly shows: string;
  readonly held: boolean;
  readonly failures: readonly string[];
  readonly summary: string;
  readonly seconds: number;
  readonly client: ClientFigures;
  /** The 99th percentile beside the attack, divided by the one alone. */
  readonly p99Ratio: number;
  readonly memoryMib: MemoryFigures;
  readonly descriptors: { readonly before: number; readonly after: number };
  readonly inputs?: { readonly tried: number; readonly internal: number };
}

/** In MiB. Memory in use is what is left after a garbage collection. */
export interface MemoryFigures {
  readonly before: number;
  /** In use while all that the attack has opened is still open. */
  readonly held: number;
  readonly after: number;
  /** By how much resident memory has grown at most. */
  readonly peakGrowth: number;
}

export interface AttackRun {
  readonly target: Target;
  readonly memory: Memory;
  readonly scale: Scale;
  readonly client: WellBehavedClient;
  /** The well-behaved client's figures without an attack. */
  readonly alone: ClientFigures;
  /** An attack that takes longer has failed. */
  readonly limitMs: number;
}

/** Carries out an attack beside the well-behaved client. It holds if nobody else is harmed. */
export async function runAttack(attack: Attack, run: AttackRun): Promise<Result> {
  const { target, memory, client, alone } = run;
  const { pid } = target;
  const before = { used: await memory.usedMib(), descriptors: descriptors(pid) };
  const residentBefore = residentMib(pid);
  let peak = residentBefore;
  const sampler = setInterval(() => {
    peak = Math.max(peak, residentMib(pid));
  }, SAMPLE_MS);
  await client.figures();
  const start = performance.now();

  const open = new DisposableStack();
  let heldMib = 0;
  const measure = async () => {
    heldMib = Math.max(heldMib, await memory.usedMib());
  };
  let finding: Finding;
  try {
    finding = await findingOf(attack, run, { defer: (close) => open.defer(close), measure });
    await measure();
  } finally {
    open.dispose();
  }
  const failures = [...finding.failures];
  const seconds = Math.round((performance.now() - start) / 100) / 10;

  let after = before;
  const isBack = async () => {
    after = { used: await memory.usedMib(), descriptors: descriptors(pid) };
    return (
      after.used <= before.used + MAX_LEFT_MIB &&
      after.descriptors <= before.descriptors + DESCRIPTOR_SLACK
    );
  };
  if (!(await becomesTrue(isBack, RECOVERY_LIMIT_MS))) {
    failures.push(
      `afterwards ${after.used} MiB are in use and ${after.descriptors} descriptors are open; ` +
        `before it ${before.used} MiB and ${before.descriptors}`,
    );
  }
  clearInterval(sampler);
  const seen = await figuresOf(client);
  const maxHeldMib = attack.maxHeldMib ?? MAX_HELD_MIB;
  if (heldMib - before.used > maxHeldMib) {
    failures.push(
      `what it holds open takes ${heldMib - before.used} MiB, and ${maxHeldMib} MiB are allowed`,
    );
  }
  if (peak - residentBefore > MAX_PEAK_MIB) {
    failures.push(
      `the process grew by ${peak - residentBefore} MiB, and ${MAX_PEAK_MIB} MiB are allowed`,
    );
  }
  if (seen.failed > 0) {
    const kinds = JSON.stringify(seen.failures);
    failures.push(
      `${seen.failed} of ${seen.calls} calls of the well-behaved client failed: ${kinds}`,
    );
  }
  return {
    name: attack.name,
    shows: attack.shows,
    held: failures.length === 0,
    failures,
    summary: finding.summary,
    seconds,
    client: seen,
    p99Ratio: Math.round((seen.p99 / alone.p99) * 10) / 10,
    memoryMib: {
      before: before.used,
      held: heldMib,
      after: after.used,
      peakGrowth: peak - residentBefore,
    },
    descriptors: { before: before.descriptors, after: after.descriptors },
    ...(finding.inputs !== undefined && { inputs: finding.inputs }),
  };
}

/** What the attack has found; a failure if it throws, or if it takes too long. */
async function findingOf(
  attack: Attack,
  { target, scale, limitMs }: AttackRun,
  held: Held,
): Promise<Finding> {
  const tooLong = Promise.withResolvers<never>();
  const message = `${attack.name} has not ended within ${limitMs / 1000} s`;
  const timer = setTimeout(() => tooLong.reject(new Error(message)), limitMs);
  try {
    return await Promise.race([attack.run(target, scale, held), tooLong.promise]);
  } catch (error) {
    const failure = `the attack itself failed: ${(error as Error).stack}`;
    return { summary: "", failures: [failure] };
  } finally {
    clearTimeout(timer);
  }
}

/** What the client has seen, once it has made a call. */
async function figuresOf(client: WellBehavedClient): Promise<ClientFigures> {
  let figures = await client.figures();
  const hasCalled = async () => {
    if (figures.calls === 0) figures = await client.figures();
    return figures.calls > 0;
  };
  if (await becomesTrue(hasCalled, RECOVERY_LIMIT_MS)) return figures;
  return { ...figures, failed: 1, failures: { "no call has ended": 1 } };
}
