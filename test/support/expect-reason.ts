import { expect } from "chai";
import { type Reason, SessionError } from "../../src/session/errors.ts";

/** Asserts that the error is a SessionError with the reason and, if it names one, one wrong field. */
export function expectReason(error: unknown, reason: Reason, field?: string): SessionError {
  expect(error).to.be.instanceOf(SessionError);
  const { reason: found, violations } = error as SessionError;
  const fields = violations.map((violation) => violation.field);
  expect({ reason: found, fields }).to.deep.equal({ reason, fields: field ? [field] : [] });
  return error as SessionError;
}

/** Asserts that the function throws a SessionError with the reason. */
export function refused(work: () => unknown, reason: Reason, field?: string): SessionError {
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  return expectReason(thrown, reason, field);
}

/** Asserts that the promise rejects with a SessionError with the reason. */
export async function rejected(
  work: Promise<unknown>,
  reason: Reason,
  field?: string,
): Promise<SessionError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return expectReason(error, reason, field);
}
