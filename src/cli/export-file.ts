import { type FileHandle, open } from "node:fs/promises";
import { wrongUse } from "./exit-codes.ts";

/** Where an export goes. */
export interface ExportTarget extends AsyncDisposable {
  write(text: string): Promise<void>;
}

/** More than the longest line. */
const TAIL_BYTES = 1024 * 1024;

/**
 * The file of an export: a new one, or one that an earlier export has begun. A line that was written in part
 * is taken away.
 *
 * @param after the last event that the file must have to be continued; without it, the file must not exist
 * @throws {CommandError} if the file is not as it must be; of a new one, from the first write
 */
export async function openExportFile(
  path: string,
  after: bigint | undefined,
): Promise<ExportTarget> {
  if (after === undefined) return newFile(path);
  const file = await open(path, "r+").catch(explain(path, after));
  try {
    return writerOf(file, await endOfLastLine(file, path, after));
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Made by the first write: an export that fails before leaves no file, which the next one would refuse. */
function newFile(path: string): ExportTarget {
  let target: ExportTarget | undefined;
  return {
    async write(text) {
      target ??= writerOf(await open(path, "wx", 0o600).catch(explain(path, undefined)), 0);
      await target.write(text);
    },
    async [Symbol.asyncDispose]() {
      await target?.[Symbol.asyncDispose]();
    },
  };
}

function explain(path: string, after: bigint | undefined) {
  return ({ code, message }: NodeJS.ErrnoException): never => {
    const name = JSON.stringify(path);
    if (code === "EEXIST") {
      throw wrongUse(`${name} exists: name another file, or go on with --after and its last id`);
    }
    const advice = code === "ENOENT" && after !== undefined ? ": leave --after out to begin" : "";
    throw wrongUse(`${name} cannot be written (${code ?? message})${advice}`);
  };
}

async function endOfLastLine(file: FileHandle, path: string, after: bigint): Promise<number> {
  const { size } = await file.stat();
  const begin = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - begin), 0, size - begin, begin);
  const end = buffer.subarray(0, bytesRead).lastIndexOf("\n") + 1;
  const [last = ""] = buffer.toString("utf8", 0, end).trimEnd().split("\n").slice(-1);
  const id = /"id":\s*"(\d+)"/.exec(last)?.[1];
  if (id !== String(after)) {
    throw wrongUse(
      `the last event in ${JSON.stringify(path)} is ${id ?? "unreadable"}, not ${after}: with another ` +
        "--after, events would be missing or twice in it",
    );
  }
  await file.truncate(begin + end);
  return begin + end;
}

function writerOf(file: FileHandle, start: number): ExportTarget {
  let position = start;
  return {
    async write(text) {
      const bytes = Buffer.from(text);
      for (let written = 0; written < bytes.length; ) {
        const result = await file.write(bytes, written, bytes.length - written, position);
        written += result.bytesWritten;
        position += result.bytesWritten;
      }
    },
    async [Symbol.asyncDispose]() {
      await file.sync();
      await file.close();
    },
  };
}
