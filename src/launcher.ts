import { readFileSync } from "node:fs";

const POLL_MS = 250;

/**
 * Calls `onGone` once, when npm has started this process and npm or a process between the two ends.
 * Without npm, it does nothing.
 *
 * npm passes SIGTERM on to the shell of the script, and a shell such as dash ends without passing it
 * on. If npm itself is killed, it passes nothing on. In both cases this process gets a new parent, or a
 * shell in between does.
 *
 * @returns stops watching
 */
export function watchLauncher(env: NodeJS.ProcessEnv, onGone: () => void): () => void {
  const { npm_lifecycle_event: script } = env;
  if (script === undefined) return () => {};
  const launchers = launchersOf(script);
  const timer = setInterval(() => {
    const parents = [process.ppid, ...launchers.slice(0, -1).map((pid) => statOf(pid)?.parent)];
    if (launchers.every((pid, index) => pid === parents[index])) return;
    clearInterval(timer);
    onGone();
  }, POLL_MS).unref();
  return () => clearInterval(timer);
}

/**
 * The ids of this process's parent, its parent and so on, up to npm. npm itself does not have the
 * script's environment. Only the parent where there is no /proc.
 *
 * None if a process in between began a POSIX session of its own, as supervisors do: it is meant to
 * live longer than npm.
 */
export function launchersOf(script: string): readonly number[] {
  const session = statOf(process.pid)?.session;
  const launchers: number[] = [];
  for (let pid: number | undefined = process.ppid; pid !== undefined; ) {
    const stat = statOf(pid);
    if (stat !== undefined && stat.session !== session) return [];

    launchers.push(pid);
    pid = runsScript(pid, script) ? stat?.parent : undefined;
  }
  return launchers;
}

function runsScript(pid: number, script: string): boolean {
  const variables = readProcess(pid, "environ")?.split("\0") ?? [];
  return variables.includes(`npm_lifecycle_event=${script}`);
}

function statOf(pid: number): { readonly parent: number; readonly session: number } | undefined {
  // "pid (name) state ppid pgrp session …", and the name may contain anything.
  const stat = readProcess(pid, "stat");
  if (stat === undefined) return undefined;
  const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(parent), session: Number(session) };
}

function readProcess(pid: number, file: "environ" | "stat"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // It has ended, it is another user's, or the system has no /proc.
    return undefined;
  }
}
