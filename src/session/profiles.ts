/**
 * Named pairs of timeouts, so that an operator can name the rule that a deployment follows instead of
 * its figures. A profile only sets defaults; explicit timeouts override it.
 */

export interface TimeoutProfile {
  readonly idleMs: number;
  readonly absoluteMs: number;
  /** Where the two figures come from; printed in the documentation. */
  readonly source: string;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const timeoutProfiles = {
  // SP 800-63B-4 requires no inactivity timeout at AAL1. Every session of sessiond has one, so it is
  // equal to the overall limit and never ends a session earlier.
  "nist-aal1": {
    idleMs: 30 * DAY,
    absoluteMs: 30 * DAY,
    source:
      "NIST SP 800-63B-4, 2.1.3: at most 30 days overall. It names no limit on inactivity, " +
      "so idle equals absolute and never strikes first.",
  },
  "nist-aal2": {
    idleMs: HOUR,
    absoluteMs: 24 * HOUR,
    source: "NIST SP 800-63B-4, 2.2.3: at most 24 hours overall and 1 hour of inactivity.",
  },
  "nist-aal3": {
    idleMs: 15 * MINUTE,
    absoluteMs: 12 * HOUR,
    source: "NIST SP 800-63B-4, 2.3.3: at most 12 hours overall and 15 minutes of inactivity.",
  },
  workday: {
    idleMs: 4 * HOUR,
    absoluteMs: 8 * HOUR,
    source: "One login a working day, which outlasts meetings and a lunch break. No standard.",
  },
  "remember-me": {
    idleMs: 14 * DAY,
    absoluteMs: 90 * DAY,
    source:
      "Consumer applications that keep people logged in between visits. No standard; " +
      "ask for the password again before anything sensitive.",
  },
} as const satisfies Record<string, TimeoutProfile>;

export type TimeoutProfileName = keyof typeof timeoutProfiles;

export const timeoutProfileNames = Object.keys(timeoutProfiles) as readonly TimeoutProfileName[];
