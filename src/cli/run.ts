import { type Command, CommanderError } from "commander";
import { Cli, type GlobalOptions, type Host } from "./cli.ts";
import { type CommandError, ExitCode, wrongUse } from "./exit-codes.ts";
import { describeFailure } from "./failure.ts";
import { pathOf } from "./help.ts";
import { Output, OutputClosedError, type OutputOptions, type WriteBytes } from "./output.ts";
import { buildProgram } from "./program.ts";
import { visibleMessage } from "./visible-message.ts";

/** An output of the process. */
export interface OutputOfProcess extends OutputOptions {
  readonly write: WriteBytes;
}

export interface RunOptions {
  readonly host: Host;
  readonly stdout: OutputOfProcess;
  readonly stderr: OutputOfProcess;
  /**
   * Handles the signals that end the process from now on: calls back with the exit code that says which. Not
   * called for a command that handles them itself.
   */
  readonly onInterrupt: (interrupted: (exitCode: number) => void) => void;
}

/**
 * Runs a command, and explains on standard error why it fails.
 *
 * @param args those of the command line
 * @returns the exit code
 */
export async function runCommandLine(
  args: readonly string[],
  { host, stdout, stderr, onInterrupt }: RunOptions,
): Promise<number> {
  const interruption = new AbortController();
  const outputs = {
    stdout: new Output(stdout.write, stdout),
    stderr: new Output(stderr.write, stderr),
  };
  let interruptedWith: number | undefined;
  let exitCode: number = ExitCode.done;
  using cli = new Cli(host, outputs, interruption.signal, () => program.opts<GlobalOptions>());
  const program = buildProgram(cli, (code) => {
    exitCode = code;
  });
  program.hook("preAction", (_, command) => {
    // It handles signals itself.
    if (command.name() === "serve") return;
    onInterrupt((code) => {
      interruptedWith = code;
      interruption.abort(new Error("interrupted"));
    });
  });
  const printed = captureHelp(program, outputs);
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (interruptedWith !== undefined) return interruptedWith;
    if (error instanceof CommanderError && error.exitCode === 0) {
      await outputs.stdout.write(printed.join(""));
      return ExitCode.done;
    }
    return await explain(cli, args, error);
  }
}

/**
 * Makes commander throw instead of ending the process, and keeps what it prints.
 *
 * @returns what it has printed on standard output
 */
function captureHelp(program: Command, outputs: { readonly stdout: Output }): readonly string[] {
  const printed: string[] = [];
  const { columns, hasColors } = outputs.stdout.options;
  const visit = (command: Command) => {
    command.exitOverride((error) => {
      if (error.exitCode === 0) throw error;
      throw misuse(command, error);
    });
    command.configureOutput({
      writeOut: (text) => printed.push(text),
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => columns() ?? 80,
      getErrHelpWidth: () => columns() ?? 80,
      getOutHasColors: () => hasColors,
    });
    command.commands.forEach(visit);
  };
  visit(program);
  return printed;
}

/** @throws {CommandError} as every command does, with the help to look at */
function misuse(command: Command, { code, message }: CommanderError): CommandError {
  const path = pathOf(command);
  if (code === "commander.help") {
    const names = command.commands.map((child) => child.name());
    return wrongUse(`${path} needs a command: ${names.join(", ")} (see ${path} --help)`);
  }
  const text = message.replace(/^error: /, "").replaceAll("\n", " ");
  return wrongUse(`${text} (see ${path} --help)`);
}

/** @returns the exit code */
async function explain(
  { host, stderr, options }: Cli,
  args: readonly string[],
  error: unknown,
): Promise<number> {
  if (error instanceof OutputClosedError) return ExitCode.failed;
  // A failure of the clean-up hides why there was something to clean up.
  const cause = error instanceof SuppressedError ? error.suppressed : error;
  const { message, exitCode, reason, code } = describeFailure(cause, host.explain);
  const isJson = options.json === true || args.includes("--json");
  const text = reason === undefined ? message : `${reason}: ${message}`;
  const written = isJson
    ? stderr.writeJson(`${JSON.stringify({ error: { reason, message, code } })}\n`)
    : stderr.write(`sessiond: ${visibleMessage(cause, text)}\n`);
  await written.catch(() => {});
  return exitCode;
}
