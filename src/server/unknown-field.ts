import type { DescMessage } from "@bufbuild/protobuf";
import { closestMatch } from "leven";

export interface UnknownField {
  /** Completes the sentence that begins with the message's type. */
  readonly problem: string;
  /** Its name, if that may be quoted. */
  readonly name: string | undefined;
}

/**
 * The names that an error may quote: words of letters, joined by underscores. Whoever builds JSON by
 * hand may put a value where the name belongs. Cookies, tokens and ids are longer, or have digits.
 */
const QUOTABLE = /^(?=.{1,32}$)[A-Za-z]+(_[A-Za-z]+)*$/;

/** How many letters may differ from the name that was probably meant. */
const MAX_DISTANCE = 3;
/** A longer name cannot be near any. */
const MAX_COMPARED_CHARACTERS = 64;

/**
 * Describes a field that the contract does not have.
 *
 * @param root the type of the request
 * @param typeName of the message that has the field; the request or a part of it
 * @param name as the request has it, so it may be a secret
 */
export function describeUnknownField(
  root: DescMessage,
  typeName: string,
  name: string,
): UnknownField {
  const quoted = QUOTABLE.test(name) ? name : undefined;
  const meant = closestField(findMessage(root, typeName), name);
  const hint = meant === undefined ? "" : `: did you mean ${meant}?`;
  const problem = quoted === undefined ? "has an unknown field" : `has no field ${quoted}`;
  return { problem: problem + hint, name: quoted };
}

/** A name of the contract, so it contains nothing of the request. */
function closestField(type: DescMessage | undefined, name: string): string | undefined {
  if (type === undefined || name.length > MAX_COMPARED_CHARACTERS) return undefined;
  const names = type.fields.map(({ jsonName }) => jsonName);
  return closestMatch(name, names, { maxDistance: MAX_DISTANCE });
}

function findMessage(
  type: DescMessage,
  typeName: string,
  seen = new Set<DescMessage>(),
): DescMessage | undefined {
  if (type.typeName === typeName) return type;
  if (seen.has(type)) return undefined;
  seen.add(type);
  for (const { message } of type.fields) {
    const found = message && findMessage(message, typeName, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}
