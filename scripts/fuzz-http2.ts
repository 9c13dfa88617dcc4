/**
 * Fuzzes the HTTP/2 engine: test/server/http2/fuzz/ says how.
 *
 *   npm run fuzz:http2 -- [--seconds 20] [--seed NUMBER]
 *   npm run fuzz:http2 -- --replay FILE
 *
 * A conversation that fails is written to a file for --replay, and the exit status is 1.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { deserialize } from "../test/server/http2/fuzz/conversation.ts";
import { FuzzError, fuzz } from "../test/server/http2/fuzz/fuzz.ts";
import { play } from "../test/server/http2/fuzz/play.ts";
import { Watchdog } from "../test/server/http2/fuzz/watchdog.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    seed: { type: "string", default: String(Date.now() % 2 ** 32) },
    replay: { type: "string" },
  },
});

const seconds = wholeNumber("seconds", values.seconds);
const seed = wholeNumber("seed", values.seed);
if (values.replay !== undefined) await play(deserialize(readFileSync(values.replay, "utf8")));
else await run();

async function run(): Promise<void> {
  console.log(`fuzzing for ${seconds} s with the seed ${seed}`);
  using watchdog = new Watchdog();
  try {
    const result = await fuzz({
      seed,
      seconds,
      onConversation: (conversation, index) => {
        watchdog.begin(`conversation ${index} of the seed ${seed} hangs`, conversation);
      },
    });
    console.log(
      `${result.conversations} conversations with ${result.requests} requests, ` +
        `${result.corpus} kept, ${result.parts} parts covered, ` +
        `the heap grew by ${result.growthMib.toFixed(1)} MiB`,
    );
  } catch (error) {
    if (!(error instanceof FuzzError)) throw error;
    const file = join(tmpdir(), `fuzz-http2-${seed}.json`);
    writeFileSync(file, error.replay);
    console.error(error);
    console.error(`FAILED with the seed ${seed}: npm run fuzz:http2 -- --replay ${file}`);
    process.exitCode = 1;
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} must be a whole number`);
  return Number(text);
}
