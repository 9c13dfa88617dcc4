import type { HandlerContext } from "@connectrpc/connect";
import type { ValidateRequest } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { cookieOf } from "./transport.ts";

/** A service whose Validate responds only after `release` was called. */
export function pendingHandler() {
  const started = Promise.withResolvers<HandlerContext>();
  const aborted = Promise.withResolvers<unknown>();
  const released = Promise.withResolvers<void>();
  return {
    service: {
      validate: async (request: ValidateRequest, context: HandlerContext) => {
        started.resolve(context);
        context.signal.addEventListener("abort", () => aborted.resolve(context.signal.reason));
        await released.promise;
        return { session: { id: cookieOf(request) } };
      },
    },
    /** Resolves with the context of the first call. */
    started: started.promise,
    /** Resolves with the reason when the signal of a call fires. */
    aborted: aborted.promise,
    release: released.resolve,
  };
}
