import { PassThrough } from "node:stream";
import { pino } from "pino";
import type { Host } from "../../src/cli/cli.ts";
import { runCommandLine } from "../../src/cli/run.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Both outputs are a terminal of this width, and standard input is one. */
  readonly terminal?: number;
  readonly hasColors?: boolean;
  readonly stdin?: string;
  readonly now?: () => number;
  readonly version?: string;
  /** Is given a function that interrupts the command, with the exit code that it ends with then. */
  readonly onStart?: (interrupt: (exitCode: number) => void) => void;
  /** Called with each text that is written to standard output. The write waits for it. */
  readonly onStdout?: (text: string) => Promise<void> | void;
  /** The same for standard error. */
  readonly onStderr?: (text: string) => Promise<void> | void;
  readonly host?: Partial<Host>;
}

/** Runs a command in this process, on outputs that keep what is written. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const {
    env = {},
    terminal,
    hasColors = false,
    stdin = "",
    onStart,
    onStdout,
    onStderr,
  } = options;
  const written = { stdout: "", stderr: "" };
  const isTerminal = terminal !== undefined;
  const output = (
    name: keyof typeof written,
    on: (text: string) => Promise<void> | void = () => {},
  ) => ({
    write(bytes: Buffer, done: (error?: Error | null) => void) {
      written[name] += bytes.toString();
      Promise.resolve()
        .then(() => on(bytes.toString()))
        .then(() => done(), done);
    },
    isTerminal,
    columns: () => terminal,
    hasColors,
  });
  const input = Object.assign(new PassThrough(), { isTTY: isTerminal });
  input.end(stdin);
  const unexpected = (): never => {
    throw new Error("the command must not do this");
  };
  const code = await runCommandLine(args, {
    host: {
      version: options.version ?? "0.0.0-test",
      env,
      stdin: input,
      now: options.now ?? Date.now,
      serve: unexpected,
      openLog: async () => pino({ level: "silent" }),
      explain: (error) => (error instanceof Error ? error.message : String(error)),
      ...options.host,
    },
    stdout: output("stdout", onStdout),
    stderr: output("stderr", onStderr),
    onInterrupt: onStart ?? (() => {}),
  });
  return { code, ...written };
}

/** The objects of JSON Lines. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** The cells of a table, with its titles as the first line. */
export function tableOf(text: string): string[][] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
}
