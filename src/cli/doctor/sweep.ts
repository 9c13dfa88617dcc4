import type { Config } from "../../config/config.ts";
import { type DatabaseFacts, longestGapMs } from "../../doctor-checks.ts";
import { type Finding, ok, roughDuration, warning } from "./finding.ts";

/** How late a sweep may be. As the alert SessiondSweepStale: a schedule of every hour tries again meanwhile. */
export const SWEEP_LATE_MS = 2 * 3_600_000;
/** How late a deletion may be without a schedule: calls are expected to sweep every hour. */
const UNSCHEDULED_MS = 3 * 3_600_000;

/** How late a deletion may be, in milliseconds: it waits for the next sweep, which may be late itself. */
function toleranceMs({ schedule, jitterMs, timeLimitMs }: Config["sweep"]): number {
  if (schedule === undefined) return UNSCHEDULED_MS;
  return longestGapMs(schedule) + jitterMs + timeLimitMs + SWEEP_LATE_MS;
}

/** Whether the sweep keeps up. */
export function judgeSweep(
  { server, content }: DatabaseFacts,
  { sweep }: Config,
): readonly Finding[] {
  if (content === undefined) return [];
  const deadline = content.earliestDeadline?.getTime() ?? Number.POSITIVE_INFINITY;
  const late = server.clock.database - (deadline + sweep.historyMs);
  if (late <= toleranceMs(sweep)) return [ok("the sweep keeps up")];
  return [
    warning(
      `the sweep is behind: a session should have been deleted ${roughDuration(late)} ago`,
      sweep.schedule === undefined
        ? "SESSIOND_SWEEP_SCHEDULE is off: run sessiond sweep --until-done by a schedule of yours"
        : "run sessiond sweep --until-done, and look for failed sweeps in the service's log",
    ),
  ];
}
