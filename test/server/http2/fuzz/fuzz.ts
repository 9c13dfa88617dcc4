import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Conversation, type Step, serialize } from "./conversation.ts";
import { Coverage } from "./coverage.ts";
import { makeConversation, mutate } from "./grammar.ts";
import { play } from "./play.ts";
import { Random } from "./random.ts";

/** The heap is measured each time after so many conversations: code is compiled then, and caches are full. */
const CONVERSATIONS_BETWEEN_MEASUREMENTS = 200;

/**
 * How much more may be in use at the least of the last measurements than at the first one: a single one
 * varies by some MiB.
 */
const MAX_GROWTH_MIB = 12;
const LAST_MEASUREMENTS = 3;

/** Conversations that have reached something new, of which others are made. */
const MAX_CORPUS = 2000;

export interface FuzzOptions {
  readonly seed: number;
  /** Ends after so much time, or so many conversations. */
  readonly seconds?: number;
  readonly conversations?: number;
  /** Told before each conversation. */
  readonly onConversation?: (conversation: Conversation, index: number) => void;
}

export interface FuzzResult {
  readonly conversations: number;
  readonly requests: number;
  readonly responses: number;
  /** Parts of the engine that have run, as coverage.ts counts them. */
  readonly parts: number;
  readonly corpus: number;
  readonly growthMib: number;
}

export class FuzzError extends Error {
  readonly conversation: Conversation;

  constructor(conversation: Conversation, index: number, cause: unknown) {
    super(`conversation ${index}: ${(cause as Error).message}`, { cause });
    this.conversation = conversation;
  }

  /** For `npm run fuzz:http2 -- --replay`. */
  get replay(): string {
    return serialize(this.conversation);
  }
}

/**
 * Plays conversations that are made up, and changes of those that have reached parts of the engine for the
 * first time.
 *
 * @throws {FuzzError} what was wrong, with the conversation
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { seed, seconds = Number.POSITIVE_INFINITY, onConversation } = options;
  const { conversations: most = Number.POSITIVE_INFINITY } = options;
  const random = new Random(seed);
  const endsAt = performance.now() + seconds * 1000;
  using coverage = new Coverage();
  const corpus: Conversation[] = [];
  let requests = 0;
  let responses = 0;
  const measuredMib: number[] = [];
  let growthMib = 0;
  let count = 0;
  for (; count < most && performance.now() < endsAt; count += 1) {
    const isNew = corpus.length < 10 || random.oneIn(3);
    const conversation = isNew
      ? makeConversation(random)
      : mutate(random, random.pick(corpus), random.pick(corpus));
    onConversation?.(conversation, count);
    try {
      const played = await play(conversation);
      requests += played.requests;
      responses += played.responses;
    } catch (error) {
      throw new FuzzError(conversation, count, error);
    }
    if (coverage.take() > 0) {
      const place = corpus.length < MAX_CORPUS ? corpus.length : random.below(MAX_CORPUS);
      corpus[place] = compact(conversation);
    }
    if ((count + 1) % CONVERSATIONS_BETWEEN_MEASUREMENTS === 0) {
      measuredMib.push(heapMib() - corpusMib(corpus));
      growthMib = Math.min(...measuredMib.slice(-LAST_MEASUREMENTS)) - (measuredMib[0] as number);
      if (growthMib > MAX_GROWTH_MIB) {
        const cause = new Error(`the heap has grown by ${growthMib.toFixed(1)} MiB`);
        throw new FuzzError(conversation, count, cause);
      }
    }
  }
  const parts = coverage.size;
  return { conversations: count, requests, responses, parts, corpus: corpus.length, growthMib };
}

/** Without the parts of larger buffers that a small one would keep. */
function compact({ seed, steps }: Conversation): Conversation {
  const compactStep = (step: Step): Step => {
    if (step.kind !== "send") return step;
    const bytes = Buffer.allocUnsafeSlow(step.bytes.length);
    step.bytes.copy(bytes);
    return { kind: "send", bytes };
  };
  return { seed, steps: steps.map(compactStep) };
}

function corpusMib(corpus: readonly Conversation[]): number {
  let bytes = 0;
  for (const { steps } of corpus) {
    for (const step of steps) bytes += step.kind === "send" ? step.bytes.length + 300 : 100;
  }
  return bytes / 1024 ** 2;
}

let collectGarbage: (() => void) | undefined;

/** In use after a garbage collection, buffers included. */
function heapMib(): number {
  if (collectGarbage === undefined) {
    setFlagsFromString("--expose-gc");
    collectGarbage = runInNewContext("gc") as () => void;
  }
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1024 ** 2;
}
