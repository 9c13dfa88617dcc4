import type { CallContext } from "./call-context.ts";
import { SessionError } from "./errors.ts";
import { DEFAULT_TENANT, type TenantId } from "./ids.ts";
import type { TenantPolicy } from "./policy.ts";

/**
 * The tenants that a request may name, and which one it means if it names none. This follows from its
 * caller and the policy, and is decided only here:
 *
 * | caller | a field that decides the tenant | a restriction of a look-up |
 * |---|---|---|
 * | of all tenants | `default` | none |
 * | the same, if the policy requires a tenant | must be named | must be named |
 * | of one tenant | that tenant | that tenant |
 * | of several tenants | must be named | those tenants |
 *
 * A request that names a tenant of which its caller is not gets CALLER_FORBIDDEN, whether or not that
 * tenant exists. What belongs to such a tenant does not exist for the caller: see `mayAccess`.
 */
export interface TenantAccess {
  /** The tenants of the caller. Undefined: all of them. */
  readonly tenants: ReadonlySet<TenantId> | undefined;
  /** The tenant of a field that decides it but names none. Undefined: it must name one. */
  readonly implied: TenantId | undefined;
  /** Whether a look-up must be restricted to a tenant. */
  readonly lookUpNamesTenant: boolean;
  /** What is expected of a field that must name a tenant; completes the sentence that begins with it. */
  readonly expected: string;
}

const ANY_TENANT: TenantAccess = {
  tenants: undefined,
  implied: DEFAULT_TENANT,
  lookUpNamesTenant: false,
  expected: "",
};

const ANY_NAMED_TENANT: TenantAccess = {
  tenants: undefined,
  implied: undefined,
  lookUpNamesTenant: true,
  expected: "is required: each request must name its tenant",
};

export function tenantAccess({ tenants }: CallContext, policy: TenantPolicy): TenantAccess {
  if (tenants === undefined) return policy.required ? ANY_NAMED_TENANT : ANY_TENANT;
  const [first] = tenants;
  return {
    tenants,
    implied: tenants.size === 1 ? first : undefined,
    lookUpNamesTenant: false,
    expected: "is required: the calling service must name one of its tenants",
  };
}

/**
 * Whether what belongs to this tenant exists for the caller. If not, a call must end as if it did not
 * exist, with as many queries.
 */
export function mayAccess({ tenants }: Pick<CallContext, "tenants">, tenantId: TenantId): boolean {
  return tenants === undefined || tenants.has(tenantId);
}

/** @throws {SessionError} CALLER_FORBIDDEN, unless the caller may act on all tenants */
export function assertAllTenants({ tenants }: CallContext): void {
  if (tenants === undefined) return;
  throw new SessionError("CALLER_FORBIDDEN", {
    message: "this call needs a calling service that may act on all tenants",
  });
}
