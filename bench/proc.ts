/**
 * Reads figures of processes from /proc. They are undefined on systems other than Linux, and for
 * processes on other machines or in other containers.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";

/** The clock ticks of /proc per second. This is fixed, and does not depend on the kernel's own rate. */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly command: string;
  readonly parent: number;
  /** User and system time of all its threads, including ended ones. */
  readonly cpuSeconds: number;
  /** The same for its children that have ended. */
  readonly endedChildrenCpuSeconds: number;
}

/** Parses /proc/PID/stat. The command may contain spaces and parentheses. */
export function parseStat(text: string): ProcessStat {
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  // The first of these fields has number 3 in proc(5).
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    command: text.slice(text.indexOf("(") + 1, end),
    parent: field(4),
    cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND,
    endedChildrenCpuSeconds: (field(16) + field(17)) / TICKS_PER_SECOND,
  };
}

export async function processStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseStat(text);
}

/** Whether the load generator can measure the CPU time of a process. */
export function hasSchedstat(pid: number): boolean {
  return existsSync(`/proc/${pid}/schedstat`);
}

/** The CPU time of a process and its children, including children that have ended. */
export async function cpuSecondsOfTree(root: number): Promise<number | undefined> {
  const stat = await processStat(root);
  if (stat === undefined) return undefined;
  let seconds = stat.cpuSeconds + stat.endedChildrenCpuSeconds;
  for (const child of await childrenOf(root))
    seconds += (await processStat(child))?.cpuSeconds ?? 0;
  return seconds;
}

async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    if ((await processStat(Number(name)))?.parent === pid) children.push(Number(name));
  }
  return children;
}

async function statusBytes(pid: number, field: string): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Of the process without its children. */
export function residentBytes(pid: number): Promise<number | undefined> {
  return statusBytes(pid, "VmRSS");
}

/** How many files, sockets included, a process has open. Undefined if that cannot be read. */
export async function openFiles(pid: number): Promise<number | undefined> {
  return (await readdir(`/proc/${pid}/fd`).catch(() => undefined))?.length;
}

export interface PeakMemory {
  /** Ends the measurement and returns the peak of the resident memory in bytes. */
  stop(): Promise<number | undefined>;
}

/** Measures the peak memory of a process and its children: the sum of their peaks. */
export async function watchPeakMemory(pid: number): Promise<PeakMemory> {
  const watches = await Promise.all([pid, ...(await childrenOf(pid))].map(watchProcess));
  return {
    async stop() {
      const peaks = await Promise.all(watches.map((watch) => watch.stop()));
      return peaks.reduce((sum, peak) =>
        sum === undefined || peak === undefined ? undefined : sum + peak,
      );
    },
  };
}

/** With the kernel's peak value if it can be reset, or else by sampling. */
async function watchProcess(pid: number): Promise<PeakMemory> {
  const RESET_PEAK = "5";
  const reset = await writeFile(`/proc/${pid}/clear_refs`, RESET_PEAK).then(
    () => true,
    () => false,
  );
  if (reset) return { stop: () => statusBytes(pid, "VmHWM") };
  let peak = await residentBytes(pid);
  const sample = async (): Promise<void> => {
    const now = await residentBytes(pid);
    if (now !== undefined && now > (peak ?? 0)) peak = now;
  };
  const timer = setInterval(sample, 50);
  return {
    async stop() {
      clearInterval(timer);
      await sample();
      return peak;
    },
  };
}
