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
  const { level, format, terminal, colors } = options;
  const pretty = format === "pretty" || (format === "auto" && terminal);
  // Only loaded if it is used: it takes 35 ms.
  const prettify = pretty ? (await import("./pretty.ts")).createPrettifier({ colors }) : undefined;
  const log = pino(
    { level, serializers: { err: serializeError } },
    { write: (line) => output.writeLine(prettify === undefined ? line : prettify(line)) },
  );
  output.onDropped = (dropped) => log.warn({ dropped }, "log lines dropped: nobody read them");
  return log;
}
