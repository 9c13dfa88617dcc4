/**
 * Checks a history against the model of sessiond: what was acknowledged is there, once, with its audit
 * event; what was refused is not there; what is unknown is either, but whole; and nobody has seen
 * anything that contradicts it.
 */

import type { FinalState, Operation, Violation } from "./history.ts";
import { checkClocks } from "./rules/clocks.ts";
import { checkCreates } from "./rules/creates.ts";
import { checkCsrf } from "./rules/csrf.ts";
import { checkEnds } from "./rules/ends.ts";
import { History } from "./rules/indexed-history.ts";
import { checkMetadata } from "./rules/metadata.ts";
import { checkResponses } from "./rules/responses.ts";
import { checkRevocations } from "./rules/revocations.ts";
import { checkSessionLimit } from "./rules/session-limit.ts";
import { checkSessionRotations } from "./rules/session-rotations.ts";
import { checkSigningKeys } from "./rules/signing-keys.ts";

const RULES = [
  checkResponses,
  checkCreates,
  checkRevocations,
  checkEnds,
  checkCsrf,
  checkSessionRotations,
  checkMetadata,
  checkSessionLimit,
  checkSigningKeys,
  checkClocks,
];

/** All contradictions between what clients have seen and what the database has at the end. */
export function checkHistory(
  operations: readonly Operation[],
  finalState: FinalState,
): Violation[] {
  const history = new History(operations, finalState);
  return RULES.flatMap((check) => [...check(history)]);
}
