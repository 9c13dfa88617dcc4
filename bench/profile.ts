import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hrtime } from "node:process";
import { ROOT } from "./child.ts";
import type { Context } from "./context.ts";
import type { Fixture } from "./fixture.ts";
import { table } from "./format.ts";
import { measure, warmUp } from "./measure.ts";
import {
  type CpuProfile,
  type Interval,
  moduleTimes,
  type Share,
  sharesOf,
} from "./profile-shares.ts";
import { SYSTEMS, type System, targetOf } from "./systems.ts";

const MODULES = 15;

/** Where a system's busy time went, with a number of calls in flight. */
export interface ProfileResult {
  readonly system: string;
  readonly inFlight: number;
  /** While it was profiled, which costs time itself. */
  readonly serverCpuUs: number | undefined;
  readonly shares: readonly Share[];
  /** The modules that took the most time, with their shares. */
  readonly modules: readonly { readonly module: string; readonly share: number }[];
}

/** Profiles the systems of the option, each in a process of its own, at all levels. */
export async function measureProfiles(
  context: Context,
  fixture: Fixture,
): Promise<ProfileResult[]> {
  const results: ProfileResult[] = [];
  for (const system of SYSTEMS.filter(({ name }) => context.options.profile.includes(name))) {
    results.push(
      ...(await context.progress.phase(`profile: ${system.title}`, (report) =>
        profile(context, fixture, system, report),
      )),
    );
  }
  return results;
}

async function profile(
  context: Context,
  fixture: Fixture,
  system: System,
  report: (state: string) => void,
): Promise<ProfileResult[]> {
  const { levels, durationMs, warmUpMs } = context.options;
  const directory = join(context.directory, `profile-${system.name}`);
  await mkdir(directory);
  const { nodeArguments = [], ...rest } = system.command(fixture);
  const command = {
    ...rest,
    nodeArguments: [...nodeArguments, "--cpu-prof", `--cpu-prof-dir=${directory}`],
  };
  const measured: (Interval & Pick<ProfileResult, "inFlight" | "serverCpuUs">)[] = [];
  await context.withServer(command, async (server) => {
    const targetFor = (inFlight: number, length: number) =>
      targetOf(system, fixture, { inFlight, durationMs: length }, context.signal);
    report("warm-up");
    const limit = { round: 1, limitMs: warmUpMs };
    await warmUp(context, server, await targetFor(64, warmUpMs), limit);
    for (const inFlight of levels) {
      report(`${inFlight} in flight`);
      const target = await targetFor(inFlight, durationMs);
      const from = microseconds();
      const { serverCpuUs } = await measure(context, server, target, {
        inFlight,
        durationMs,
        round: 1,
      });
      measured.push({ from, to: microseconds(), inFlight, serverCpuUs });
    }
  });
  // The server has stopped, so that its profile is complete.
  const recorded = await readProfiles(directory);
  return measured.map(({ from, to, inFlight, serverCpuUs }) => {
    const times = moduleTimes(recorded, { from, to }, ROOT);
    const total = [...times.values()].reduce((sum, time) => sum + time, 0);
    const modules = [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, MODULES)
      .map(([module, time]) => ({ module, share: time / total }));
    return { system: system.name, inFlight, serverCpuUs, shares: sharesOf(times), modules };
  });
}

/** Of the clock that V8's profiles use. */
function microseconds(): number {
  return Number(hrtime.bigint() / 1000n);
}

/** Those of all processes of a server. */
async function readProfiles(directory: string): Promise<CpuProfile[]> {
  const files = await readdir(directory);
  if (files.length === 0) throw new Error(`no profile was written in ${directory}`);
  return Promise.all(
    files.map(async (file) => JSON.parse(await readFile(join(directory, file), "utf8"))),
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export function profileTables(results: readonly ProfileResult[]): string[] {
  return results.map(({ system, inFlight, serverCpuUs, shares, modules }) => {
    const title = `${system}, ${inFlight} in flight, ${serverCpuUs?.toFixed(1) ?? "–"} µs per call`;
    return table(
      [title, "busy time"],
      [
        ...shares.map(({ purpose, share }) => [purpose, percent(share)]),
        ["", ""],
        ...modules.map(({ module, share }) => [module, percent(share)]),
      ],
    );
  });
}
