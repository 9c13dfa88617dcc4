import type { Violation } from "../history.ts";
import { type History, violation } from "./indexed-history.ts";

/** No actor has more live sessions than the configured limit. */
export function* checkSessionLimit(history: History): Iterable<Violation> {
  const { sessions, maxSessionsPerActor = Number.POSITIVE_INFINITY } = history.final;
  const live = sessions.filter((row) => history.isLive(row));
  for (const [actorId, { length }] of Map.groupBy(live, (row) => row.actorId)) {
    if (length <= maxSessionsPerActor) continue;
    const text = `${actorId} has ${length} of ${maxSessionsPerActor}`;
    yield violation("more live sessions than the limit", text);
  }
}
