import { SessionService } from "../gen/es/sessiond/v1/session_service_pb.ts";
import type { CallLog } from "./log/call-log.ts";
import { describeCall } from "./rpc/call-description.ts";
import type { CallObserver } from "./server/call-observer.ts";

/** Describes the calls of the server to the log. */
export function createCallObserver(callLog: CallLog): CallObserver {
  return {
    get observesSuccess() {
      return callLog.observesSuccess;
    },
    callEnded({ rpc = "(unknown)", requestId, error, durationMs, values }) {
      const { tenant, caller, code, reason, detail, ...failure } = describeCall(error, values);
      const ms = Math.round(durationMs * 10) / 10;
      const fields = { rpc, requestId, caller, tenant, code, reason, detail, ms };
      if (error !== undefined) callLog.callFailed({ fields, ...failure });
      // Health checks and reflection do not use the database, and would only fill the log.
      else if (rpc.startsWith(SessionService.typeName)) callLog.callSucceeded(fields);
    },
  };
}
