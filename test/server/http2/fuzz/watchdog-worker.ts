import { writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { type Conversation, serialize } from "./conversation.ts";

const STDERR = 2;

const { limitMs } = workerData as { readonly limitMs: number };
let current: { readonly what: string; readonly conversation: Conversation } | undefined;
const timer = setTimeout(() => {
  if (current === undefined) return;
  const file = join(tmpdir(), "fuzz-http2-hang.json");
  writeFileSync(file, serialize(current.conversation));
  writeSync(STDERR, `FAILED ${current.what}: npm run fuzz:http2 -- --replay ${file}\n`);
  // The main thread may be in an endless loop, and end for nothing else.
  process.kill(process.pid, "SIGKILL");
}, limitMs);

parentPort?.on("message", (message: typeof current) => {
  current = message;
  timer.refresh();
});
