import type { Logger } from "pino";
import type { CallersEvents } from "./callers/caller-authentication.ts";
import type { Exposure } from "./config/exposure.ts";
import type { SweepResult } from "./session/sweep.ts";

/** Warns at the start of what a setting permits although it is not safe. */
export function warnOfExposure(exposure: Exposure, log: Logger): void {
  if (exposure === "unauthenticated") {
    log.warn(
      "callers are not authenticated: everyone who can connect can log in as anyone " +
        "(SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION is true)",
    );
  } else if (exposure === "plain-text") {
    log.warn(
      "there is no TLS: credentials and cookies are sent in plain text unless a proxy or mesh encrypts " +
        "them (SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS is true)",
    );
  }
}

const sources = { callers: "the callers file", keys: "the set of JWT keys" } as const;

/** Logs when the callers file or the keys that verify JWTs are read, and when they cannot be used. */
export function callersEvents(log: Logger): CallersEvents {
  return {
    onChange(file, callers) {
      if (callers === 0) log.warn(`${sources[file]} was read: with it, nobody may call`);
      else log.info({ callers }, `${sources[file]} was read`);
    },
    onError: (file, err) =>
      log.error({ err }, `${sources[file]} cannot be used: the previous version stays in force`),
  };
}

/** Logs how a sweep ended, and returns its result. Undefined: another one was running. */
export function logSweep(log: Logger, result: SweepResult | undefined): SweepResult | undefined {
  if (result === undefined) {
    log.info("sweep skipped: another one is at work");
    return result;
  }
  const { deleted, more, failures } = result;
  log.info({ deleted, more }, "sweep done");
  for (const [part, error] of failures) log.error({ err: error, part }, "part of the sweep failed");
  return result;
}
