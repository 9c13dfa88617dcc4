import { SessionError } from "../session/errors.ts";

/** A caller is above a limit of its own. The others are served, so the service is not overloaded. */
export class CallerLimitError extends SessionError {
  /** The name of the limit's setting. */
  readonly setting: string;

  /** @param exceeded completes a sentence that begins with "the caller" */
  constructor(exceeded: string, setting: string) {
    super("OVERLOADED", { message: `the caller ${exceeded} (${setting}); retry later` });
    this.setting = setting;
  }
}
