import { AuditLog } from "../../src/session/audit-log.ts";
import type { CallContext } from "../../src/session/call-context.ts";
import { CsrfRotation } from "../../src/session/csrf-rotation.ts";
import type { TenantId } from "../../src/session/ids.ts";
import { SessionRotation } from "../../src/session/session-rotation.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { SigningKeys } from "../../src/session/signing-keys.ts";

type Tenants = ReadonlySet<TenantId> | undefined;
type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Limits the callers of all calls to tenants. The calls themselves go over the wire; the limit is put into
 * their context when they reach the rules.
 */
export interface CallerLimit {
  tenants: Tenants;
  /** Ends the limit. */
  restore(): void;
}

/** The methods that handlers call, all of them with the context as the last argument. */
const entries = [
  [Sessions, Object.getOwnPropertyNames(Sessions.prototype)],
  [CsrfRotation, ["rotate"]],
  [SessionRotation, ["rotate"]],
  [SigningKeys, ["rotate", "list"]],
  [AuditLog, ["list"]],
] as const;

export function limitCallers(): CallerLimit {
  const limit = { tenants: undefined as Tenants };
  const undo: (() => void)[] = [];
  for (const [type, names] of entries) {
    const prototype = type.prototype as unknown as Record<string, Method>;
    for (const name of names) {
      const method = prototype[name] as Method;
      if (name === "constructor") continue;
      prototype[name] = function (...args) {
        const context = args.at(-1) as CallContext;
        return method.apply(this, [...args.slice(0, -1), { ...context, tenants: limit.tenants }]);
      };
      undo.push(() => {
        prototype[name] = method;
      });
    }
  }
  return Object.assign(limit, { restore: () => undo.forEach((one) => void one()) });
}
