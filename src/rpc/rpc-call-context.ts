import type { HandlerContext } from "@connectrpc/connect";
import type { CallContext, Cancellation } from "../session/call-context.ts";
import type { TenantId } from "../session/ids.ts";
import { callerKey } from "./caller-authorization.ts";

/** The parts of a handler's context that the rules are told. Those of the server's fast path have a cancellation. */
export type OwnContext = Pick<HandlerContext, "signal" | "values"> &
  Pick<CallContext, "cancellation">;

/** The context of a call for the rules. It creates the signal only if it is read. */
export class RpcCallContext implements CallContext {
  readonly callingService: string;
  readonly tenants: ReadonlySet<TenantId> | undefined;
  readonly clientKey: string;
  readonly limitKey: string;
  readonly #context: OwnContext;

  constructor(context: OwnContext) {
    const { name, tenants, clientKey, limitKey } = context.values.get(callerKey);
    this.#context = context;
    this.callingService = name;
    this.tenants = tenants as ReadonlySet<TenantId> | undefined;
    this.clientKey = clientKey;
    this.limitKey = limitKey;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get cancellation(): Cancellation {
    return this.#context.cancellation ?? this.#context.signal;
  }
}
