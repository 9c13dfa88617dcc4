export type ErrorKind = "platform" | "directory" | "in-use" | "version" | "password" | "server";

export class EmbeddedPostgresError extends Error {
  readonly kind: ErrorKind;
  constructor(kind: ErrorKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = new.target.name;
    this.kind = kind;
  }
}

/** Another process, or an earlier start in this one, uses the data directory. */
export class DataDirectoryInUseError extends EmbeddedPostgresError {
  /** 0 if it could not be determined. */
  readonly pid: number;

  constructor(dataDirectory: string, pid: number) {
    const holder = pid > 0 ? `process ${pid}` : "another process";
    super("in-use", `the data directory ${dataDirectory} is in use by ${holder}`);
    this.pid = pid;
  }
}

/** Throws an error again, as the reason for what has failed. */
export function failed(kind: ErrorKind, what: string): (reason: Error) => never {
  return (reason) => {
    throw new EmbeddedPostgresError(kind, `${what}: ${reason.message}`, reason);
  };
}

/** Handles system errors with these codes, and throws any other again. */
export function ignore(...codes: string[]): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
}
