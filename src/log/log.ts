import { type Logger, type LoggerOptions, pino } from "pino";
import type { BoundedOutput } from "./bounded-output.ts";
import { serializeError } from "./error-serializer.ts";

export interface LogOptions {
  readonly level: NonNullable<LoggerOptions["level"]>;
  /** `auto` is `pretty` on a terminal and `json` elsewhere. */
  readonly format: "auto" | "json" | "pretty";
  /** Whether the output is a terminal. */
  readonly terminal: boolean;
  /** Whether text for people may be coloured. */
  readonly colors: boolean;
}

/** Makes the log that writes to `output`. Lines that the output drops are reported in a later line. */
export async function createLog(output: BoundedOutput, options: LogOptions): Promise<Logger> {
  const formatLine = await createLineFormat(options);
  const log = pino(
    { level: options.level, serializers: { err: serializeError } },
    { write: (line) => output.writeLine(formatLine(line)) },
  );
  output.onDropped = (dropped) => log.warn({ dropped }, "log lines dropped: nobody read them");
  return log;
}

/** Makes the function that brings a line of JSON, with its line end, into the format of the log. */
export async function createLineFormat({
  format,
  terminal,
  colors,
}: Omit<LogOptions, "level">): Promise<(line: string) => string> {
  const pretty = format === "pretty" || (format === "auto" && terminal);
  // Only loaded if it is used: it takes 35 ms.
  return pretty ? (await import("./pretty.ts")).createPrettifier({ colors }) : (line) => line;
}
