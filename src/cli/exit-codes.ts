/** What the commands end with, for scripts. docs/cli.md explains them. */
export const ExitCode = {
  done: 0,
  failed: 1,
  wrongUse: 2,
  notFound: 3,
  notPermitted: 4,
  /** A later attempt may succeed. */
  unavailable: 5,
  partlyDone: 6,
  problemsFound: 7,
  migrationsPending: 8,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A command cannot do what it was asked for. The message is for users, and has no secret. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = ExitCode.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The arguments are wrong. */
export function wrongUse(message: string): CommandError {
  return new CommandError(message, ExitCode.wrongUse);
}
