import { invalidRequest } from "./errors.ts";
import type { TimeoutPolicy } from "./policy.ts";

export interface RequestedTimeouts {
  readonly idleMs: number | undefined;
  readonly absoluteMs: number | undefined;
}

export interface SessionTimeouts {
  readonly idleMs: number;
  readonly absoluteMs: number;
}

const MIN_MS = 1000;

function checked(field: string, requestedMs: number, maxMs: number): number {
  if (!Number.isSafeInteger(requestedMs) || requestedMs % 1000 !== 0) {
    throw invalidRequest(field, "must be whole seconds");
  }
  if (requestedMs < MIN_MS || requestedMs > maxMs) {
    throw invalidRequest(field, `must be from 1s to ${maxMs / 1000}s`);
  }
  return requestedMs;
}

/**
 * The timeouts of a new session: the requested ones, or else the defaults.
 *
 * @throws {SessionError} INVALID_REQUEST if a requested timeout is not allowed
 */
export function resolveTimeouts(
  policy: TimeoutPolicy,
  requested: RequestedTimeouts,
  preLogin: boolean,
): SessionTimeouts {
  const defaultAbsoluteMs = preLogin ? policy.preLoginMs : policy.absoluteMs;
  const maxAbsoluteMs = preLogin ? policy.preLoginMs : policy.maxAbsoluteMs;
  const absoluteMs =
    requested.absoluteMs === undefined
      ? defaultAbsoluteMs
      : checked("absolute_timeout", requested.absoluteMs, maxAbsoluteMs);

  if (requested.idleMs === undefined) {
    return { idleMs: preLogin ? absoluteMs : Math.min(policy.idleMs, absoluteMs), absoluteMs };
  }
  const idleMs = checked(
    "idle_timeout",
    requested.idleMs,
    preLogin ? policy.preLoginMs : policy.maxIdleMs,
  );
  if (idleMs > absoluteMs) {
    throw invalidRequest(
      "idle_timeout",
      `must not be longer than the absolute timeout, which is ${absoluteMs / 1000}s`,
    );
  }
  return { idleMs, absoluteMs };
}
