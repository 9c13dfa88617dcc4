import { readdirSync, readFileSync } from "node:fs";

const PAGE_BYTES = 4096;
const MIB = 2 ** 20;

/** The resident memory of a process in MiB. Linux only. */
export function residentMib(pid: number): number {
  const [, resident] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Math.round((Number(resident) * PAGE_BYTES) / MIB);
}

/** The number of open descriptors of a process. Linux only. */
export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
