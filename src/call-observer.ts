import { randomUUID } from "node:crypto";
import { Authorization } from "../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { CallLog } from "./log/call-log.ts";
import type { RouteErrorLog } from "./log/route-error-log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { describeCall, isRefused, provesDatabase } from "./rpc/call-description.ts";
import type { CheckObserver } from "./rpc/envoy/authorization-service.ts";
import type { CallObserver } from "./server/call-observer.ts";

export const CHECK = `${Authorization.typeName}/${Authorization.method.check.name}`;

/** Describes the calls of the server to the log, and those that fail to the metrics. */
export function createCallObserver(
  callLog: CallLog,
  metrics: Pick<Metrics, "callFailed"> | undefined,
): CallObserver {
  return {
    get observesSuccess() {
      return callLog.observesSuccess;
    },
    callEnded({ rpc: method, requestId, error, durationMs, values }) {
      const rpc = method ?? "(unknown)";
      const { tenant, caller, code, reason, detail, ...failure } = describeCall(error, values);
      const ms = Math.round(durationMs * 10) / 10;
      const fields = { rpc, requestId, caller, tenant, code, reason, detail, ms };
      if (error !== undefined) {
        callLog.callFailed({ fields, ...failure });
        const { callerLimit, outage } = failure;
        const limit = callerLimit ?? (outage === "overload" ? "queue" : undefined);
        metrics?.callFailed({ rpc: method, reason, caller, limit });
      }
      // Health checks and reflection do not use the database, and would only fill the log.
      else if (usesDatabase(rpc) && !isRefused(values)) {
        callLog.callSucceeded(fields, { provesDatabase: provesDatabase(values) });
      }
    },
  };
}

function usesDatabase(rpc: string): boolean {
  return rpc.startsWith(SessionService.typeName) || rpc.startsWith(Authorization.typeName);
}

/** Tells the log of refused Checks as of refused calls, although their responses are none of errors. */
export function createCheckObserver(
  calls: CallObserver,
  routeErrors: RouteErrorLog,
  metrics: Pick<Metrics, "checkDecided"> | undefined,
): CheckObserver {
  return {
    decided: (decision) => metrics?.checkDecided(decision),
    refused: (check) => calls.callEnded({ ...check, rpc: CHECK, requestId: randomUUID() }),
    misconfigured: (problem) => routeErrors.misconfigured(problem),
  };
}
