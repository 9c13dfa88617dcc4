import { spawn } from "node:child_process";
import { once } from "node:events";
import * as path from "node:path";
import { text } from "node:stream/consumers";

/** Undefined: the user of this process. */
export type RunAs = { readonly uid: number; readonly gid: number } | undefined;

/** Runs a program to its end and returns what it said, or rejects with that as the message. */
export async function run(command: string, args: string[], cwd: string, runAs?: RunAs) {
  // No secrets of this process, and none of the PG* variables that change what programs do.
  const { PATH, SystemRoot, TEMP, TMP } = process.env;
  const env = { PATH, SystemRoot, TEMP, TMP, LC_ALL: "C", TZ: "UTC" };
  // On Windows, a started server would keep pipes open.
  const stdio = args[0] === "start" ? "ignore" : "pipe";
  const timeout = path.basename(command) === "pg_ctl" ? 0 : 120_000; // pg_ctl has its own limit.
  const limit = { timeout, killSignal: "SIGKILL" } as const;
  // Its own process group: on Ctrl-C in a terminal, pg_ctl would end the server it is starting.
  const child = spawn(command, args, { ...runAs, cwd, env, stdio, detached: true, ...limit });
  const output = [child.stdout, child.stderr].map((stream) => stream && text(stream).catch(String));
  const [code, signal] = await once(child, "exit");
  const said = (await Promise.all(output)).join("").trim();
  if (code !== 0) throw new Error(said || `${path.basename(command)} ended with ${code ?? signal}`);
  return said;
}
