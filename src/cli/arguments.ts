/** Parsers of arguments. */

import { InvalidArgumentError } from "commander";

/** An actor as it is written on the command line. */
export interface ActorArgument {
  readonly actorType: string;
  readonly actorId: string;
}

/** `TYPE:ID`. The id may contain colons. */
export function actorArgument(text: string): ActorArgument {
  const [, actorType, actorId] = /^([^:]+):(.+)$/s.exec(text) ?? [];
  if (actorType === undefined || actorId === undefined) {
    throw new InvalidArgumentError("It must be TYPE:ID, such as user:42.");
  }
  return { actorType, actorId };
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** A number of items, or `all`. */
export function limitArgument(text: string): number {
  if (text === "all") return Number.POSITIVE_INFINITY;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new InvalidArgumentError("It must be a whole number from 1, or all.");
  return value;
}

/** The id of an audit event. */
export function eventIdArgument(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("It must be the id of an audit event, such as 12345.");
}

/** Collects the values of an option that may be repeated. */
export function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Text that must not be empty: an empty variable of a script must not widen what a command does. */
export function nonEmpty(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}
