import { type Timestamp, timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";
import { duration, parse } from "../config/parsers.ts";

/** RFC 3339, with seconds and a zone. Date.parse accepts many other formats. */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;
const age = duration("0s", "3650d");

/** What an argument may be that says when. */
export const TIME_FORMS = "a time such as 2026-11-22T08:00:00Z, or an age such as 2h or 7d";

/**
 * The parser of an argument that says when.
 *
 * @param now milliseconds since 1970, which ages count from
 */
export function timeArgument(now: () => number): (text: string) => Timestamp {
  return (text) => {
    const ms = RFC_3339.test(text) ? Date.parse(text) : now() - (parse(age, text).data ?? NaN);
    if (Number.isNaN(ms)) throw new InvalidArgumentError(`It must be ${TIME_FORMS}.`);
    return timestampFromMs(ms);
  };
}

/** For tables: in whole seconds, or "" without a time. */
export function formatTime(time: Timestamp | undefined): string {
  return time === undefined ? "" : `${timestampDate(time).toISOString().slice(0, 19)}Z`;
}
