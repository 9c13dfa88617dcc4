import { type FieldViolation, invalidFields, SessionError } from "./errors.ts";
import type { TenantAccess } from "./tenant-access.ts";

/**
 * Collects the wrong fields of one request, so that its caller learns of all of them at once, and
 * whether it names a tenant that the caller may not act on.
 *
 * A parser adds what is wrong with its field and still returns a value of its type. No value may be
 * used before `throwIfAny` has returned. A field has at most one violation, which never quotes
 * its value: the size of the error depends on the contract, not on the request.
 */
export class Violations {
  /** The tenants that the request may name. */
  readonly access: TenantAccess;
  #found: FieldViolation[] | undefined;
  #forbidden = false;

  constructor(access: TenantAccess) {
    this.access = access;
  }

  /** True until a violation is added or a tenant is forbidden. */
  get none(): boolean {
    return this.#found === undefined && !this.#forbidden;
  }

  /**
   * @param field its path, such as `actor.actor_id`
   * @param expected completes the sentence that begins with the field, such as `must be ...`
   */
  add(field: string, expected: string): void {
    this.#found ??= [];
    this.#found.push({ field, description: `${field} ${expected}` });
  }

  /** To be called when the request names a tenant that the caller may not act on. */
  forbidTenant(): void {
    this.#forbidden = true;
  }

  /**
   * @throws {SessionError} INVALID_REQUEST with all violations, if there are any, or else
   * CALLER_FORBIDDEN if a tenant is forbidden
   */
  throwIfAny(): void {
    if (this.#found !== undefined) throw this.toError();
    if (this.#forbidden) {
      throw new SessionError("CALLER_FORBIDDEN", {
        message: "the calling service may not act on a tenant that the request names",
      });
    }
  }

  /** The error with all violations, of which there must be one. */
  toError(): SessionError {
    return invalidFields(this.#found as [FieldViolation, ...FieldViolation[]]);
  }
}
