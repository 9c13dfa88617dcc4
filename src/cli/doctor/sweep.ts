import type { Config } from "../../config/config.ts";
import type { DatabaseFacts } from "../../doctor-checks.ts";
import { type Finding, ok, roughDuration, warning } from "./finding.ts";

/** How late a deletion may be: the default schedule is each hour. */
const TOLERANCE_MS = 3 * 3_600_000;

/** Whether the sweep keeps up. */
export function judgeSweep(
  { server, content }: DatabaseFacts,
  { sweep }: Config,
): readonly Finding[] {
  if (content === undefined) return [];
  const deadline = content.earliestDeadline?.getTime() ?? Number.POSITIVE_INFINITY;
  const late = server.clock.database - (deadline + sweep.historyMs);
  if (late <= TOLERANCE_MS) return [ok("the sweep keeps up")];
  return [
    warning(
      `the sweep is behind: a session should have been deleted ${roughDuration(late)} ago`,
      sweep.schedule === undefined
        ? "SESSIOND_SWEEP_SCHEDULE is off: run sessiond sweep --until-done by a schedule of yours"
        : "run sessiond sweep --until-done, and look for failed sweeps in the service's log",
    ),
  ];
}
