import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { CallLog } from "./log/call-log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { describeCall } from "./rpc/call-description.ts";
import type { CallObserver } from "./server/call-observer.ts";

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
      else if (rpc.startsWith(SessionService.typeName)) callLog.callSucceeded(fields);
    },
  };
}
