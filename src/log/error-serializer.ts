/** What the log says of an error. */
export interface SerializedError {
  /** The name of its class, or the type of a value that is no error. */
  readonly type: string;
  readonly message: string;
  /** A SQLSTATE, or a code of the system or of Node. */
  readonly code?: string;
  /** Why sessiond failed a call, such as STORAGE_UNAVAILABLE. */
  readonly reason?: string;
  /** The constraint of the database that was violated. */
  readonly constraint?: string;
  readonly stack?: string;
  readonly cause?: SerializedError;
  /** The errors that an AggregateError or a SuppressedError combines. */
  readonly errors?: readonly SerializedError[];
}

const MAX_DEPTH = 5;
const MAX_ERRORS = 5;
const MAX_MESSAGE_LENGTH = 1000;
const MAX_STACK_LENGTH = 4000;
const MAX_NAME_LENGTH = 100;

/**
 * Describes an error for the log, in bounded length and depth.
 *
 * It takes only the properties of SerializedError. Libraries attach other objects to their errors: the
 * PostgreSQL driver its client, with the key that cancels statements, and TypeORM the parameters of
 * the statement.
 */
export function serializeError(error: unknown): SerializedError {
  return serialize(error, 1);
}

function serialize(error: unknown, depth: number): SerializedError {
  if (!(error instanceof Error)) {
    const message = typeof error === "object" ? "not an error" : String(error);
    return {
      type: error === null ? "null" : typeof error,
      message: shorten(message, MAX_MESSAGE_LENGTH),
    };
  }
  const { code, reason, constraint } = error as Error & Readonly<Record<string, unknown>>;
  const nested = depth < MAX_DEPTH;
  const errors = nested ? combinedErrors(error).slice(0, MAX_ERRORS) : [];
  return {
    type: shorten(error.constructor.name || error.name, MAX_NAME_LENGTH),
    message: shorten(error.message, MAX_MESSAGE_LENGTH),
    ...name("code", code),
    ...name("reason", reason),
    ...name("constraint", constraint),
    ...(typeof error.stack === "string" && { stack: shorten(error.stack, MAX_STACK_LENGTH) }),
    ...(nested && error.cause !== undefined && { cause: serialize(error.cause, depth + 1) }),
    ...(errors.length > 0 && { errors: errors.map((item) => serialize(item, depth + 1)) }),
  };
}

/** The property, if it has a value that is text or a number. */
function name<Key extends string>(key: Key, value: unknown): Partial<Record<Key, string>> {
  if (typeof value !== "number" && (typeof value !== "string" || value === "")) return {};
  return { [key]: shorten(String(value), MAX_NAME_LENGTH) } as Partial<Record<Key, string>>;
}

function combinedErrors(error: Error): readonly unknown[] {
  if (error instanceof AggregateError) return error.errors;
  if (error instanceof SuppressedError) return [error.error, error.suppressed];
  return [];
}

function shorten(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
}
