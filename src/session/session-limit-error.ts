import { SessionError } from "./errors.ts";
import type { LimitReached } from "./session-store.ts";

/** The actor has as many live sessions as are allowed, and the policy is to reject another one. */
export class SessionLimitError extends SessionError {
  readonly limitReached: LimitReached;

  constructor(limitReached: LimitReached) {
    super("SESSION_LIMIT_REACHED");
    this.limitReached = limitReached;
  }
}
