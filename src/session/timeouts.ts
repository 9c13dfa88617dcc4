import type { TimeoutPolicy } from "./policy.ts";
import type { Violations } from "./violations.ts";

/** A duration as Protobuf has it: the sum of both, of any value. */
export interface RequestedDuration {
  readonly seconds: bigint;
  readonly nanos: number;
}

export interface RequestedTimeouts {
  readonly idle: RequestedDuration | undefined;
  readonly absolute: RequestedDuration | undefined;
}

export interface SessionTimeouts {
  readonly idleMs: number;
  readonly absoluteMs: number;
}

/**
 * The timeouts of a new session: the requested ones, or else the defaults. They are compared with each
 * other only if each is right by itself.
 */
export function resolveTimeouts(
  policy: TimeoutPolicy,
  requested: RequestedTimeouts,
  preLogin: boolean,
  violations: Violations,
): SessionTimeouts {
  const max = preLogin
    ? { idleMs: policy.preLoginMs, absoluteMs: policy.preLoginMs }
    : { idleMs: policy.maxIdleMs, absoluteMs: policy.maxAbsoluteMs };
  const idleProblem = durationProblem(requested.idle, max.idleMs);
  const absoluteProblem = durationProblem(requested.absolute, max.absoluteMs);
  if (idleProblem !== undefined) violations.add("idle_timeout", idleProblem);
  if (absoluteProblem !== undefined) violations.add("absolute_timeout", absoluteProblem);

  const absoluteMs =
    milliseconds(requested.absolute) ?? (preLogin ? policy.preLoginMs : policy.absoluteMs);
  const defaultIdleMs = preLogin ? absoluteMs : Math.min(policy.idleMs, absoluteMs);
  const idleMs = milliseconds(requested.idle) ?? defaultIdleMs;
  if (idleMs > absoluteMs && idleProblem === undefined && absoluteProblem === undefined) {
    violations.add(
      "idle_timeout",
      `must not be longer than the absolute timeout, which is ${absoluteMs / 1000}s`,
    );
  }
  return { idleMs, absoluteMs };
}

function durationProblem(
  requested: RequestedDuration | undefined,
  maxMs: number,
): string | undefined {
  if (requested === undefined) return undefined;
  const maxSeconds = maxMs / 1000;
  if (requested.nanos !== 0) return "must be whole seconds";
  if (requested.seconds < 1n || requested.seconds > maxSeconds) {
    return `must be from 1s to ${maxSeconds}s`;
  }
  return undefined;
}

/** Without the nanoseconds, which a valid timeout has none of. */
function milliseconds(requested: RequestedDuration | undefined): number | undefined {
  return requested === undefined ? undefined : Number(requested.seconds) * 1000;
}
