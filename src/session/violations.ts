import { type FieldViolation, invalidFields, type SessionError } from "./errors.ts";

/**
 * Collects the wrong fields of one request, so that its caller learns of all of them at once.
 *
 * A parser adds what is wrong with its field and still returns a value of its type. No value may be
 * used before `throwIfAny` has returned. A field has at most one violation, which never quotes
 * its value: the size of the error depends on the contract, not on the request.
 */
export class Violations {
  #found: FieldViolation[] | undefined;

  /** True until a violation is added. */
  get none(): boolean {
    return this.#found === undefined;
  }

  /**
   * @param field its path, such as `actor.actor_id`
   * @param expected completes the sentence that begins with the field, such as `must be ...`
   */
  add(field: string, expected: string): void {
    this.#found ??= [];
    this.#found.push({ field, description: `${field} ${expected}` });
  }

  /** @throws {SessionError} INVALID_REQUEST with all violations, if there are any */
  throwIfAny(): void {
    if (this.#found !== undefined) throw this.toError();
  }

  /** The error with all violations, of which there must be one. */
  toError(): SessionError {
    return invalidFields(this.#found as [FieldViolation, ...FieldViolation[]]);
  }
}
