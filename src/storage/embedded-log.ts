import * as fs from "node:fs/promises";
import { statOrUndefined } from "./embedded-directory.ts";

const LIMIT_BYTES = 10 * 1024 * 1024;
const POLL_MS = 1_000;
const CHUNK_BYTES = 64 * 1024;

/** Opens PostgreSQL's log for a new server. One that has grown large becomes `<file>.1` first. */
export async function openLog(file: string): Promise<fs.FileHandle> {
  const stats = await statOrUndefined(file);
  if (stats !== undefined && stats.size > LIMIT_BYTES) await fs.rename(file, `${file}.1`);
  return await fs.open(file, "a", 0o600);
}

/** The end of the log from `offset` on, for an error message. */
export async function readLogFrom(file: string, offset: number): Promise<string> {
  const text = await readRange(file, offset).catch(() => "");
  return text.trim().split("\n").slice(-5).join(" | ");
}

/** Passes on what a file gains from now on, line by line. */
export interface LogFollower {
  /** Passes on what is left, and ends. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Follows PostgreSQL's log. By polling, since `fs.watch` differs between platforms and file
 * systems, and a line may well come a second late.
 */
export async function followLog(file: string, log: (line: string) => void): Promise<LogFollower> {
  let offset = (await statOrUndefined(file))?.size ?? 0;
  let rest = "";
  let reading: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    for (;;) {
      const size = (await statOrUndefined(file))?.size ?? 0;
      // Renamed at a restart of the server, and begun anew.
      if (size < offset) offset = 0;
      if (size === offset) return;
      const text = await readRange(file, offset);
      if (text === "") return;
      offset += text.length;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) log(`postgres: ${line}`);
    }
  };
  const poll = (): Promise<void> => {
    reading ??= read()
      .catch(() => {})
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  const timer = setInterval(poll, POLL_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await reading;
      await poll();
    },
  };
}

async function readRange(file: string, offset: number): Promise<string> {
  const handle = await fs.open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(CHUNK_BYTES),
      0,
      CHUNK_BYTES,
      offset,
    );
    // latin1 keeps one character per byte, so that offsets add up when a chunk ends in the middle
    // of a character. What the server writes under the C locale is ASCII, but for names of others.
    return buffer.subarray(0, bytesRead).toString("latin1");
  } finally {
    await handle.close();
  }
}
