import type { SessionFilterInput } from "./commands.ts";
import type { TenantId } from "./ids.ts";
import * as input from "./input.ts";
import { normalizedIpNetwork } from "./ip-address.ts";
import { checkedPeriod, type Period, type RequestedTime } from "./requested-time.ts";
import { identifier, storageProblem } from "./text.ts";
import type { Violations } from "./violations.ts";

const MAX_TYPE_BYTES = 64;
const MAX_NETWORK_BYTES = 43;
const MAX_USER_AGENT_CHARACTERS = 256;

/** Selects sessions of any actor, those that meet all of it. Empty texts mean any. */
export interface SessionFilter {
  /** Undefined: all. */
  readonly tenants: readonly TenantId[] | undefined;
  readonly actorType: string;
  readonly appType: string;
  /** An address or a network, normalised. */
  readonly network: string;
  /** A part of the user agent, without regard to case. */
  readonly userAgentContains: string;
  readonly created: Period;
  readonly seen: Period;
}

const NO_RESTRICTION: SessionFilterInput = {
  tenantId: undefined,
  actorType: "",
  appType: "",
  ipAddress: "",
  userAgentContains: "",
  createdSince: undefined,
  createdBefore: undefined,
  seenSince: undefined,
  seenBefore: undefined,
};

/** Whether any field of the filter is set. */
export function isRestricted(filter: SessionFilterInput = NO_RESTRICTION): boolean {
  return Object.values(filter).some((value) => value !== undefined && value !== "");
}

/** The filter, which selects sessions of the caller's tenants only. */
export function checkedFilter(
  filter: SessionFilterInput = NO_RESTRICTION,
  violations: Violations,
): SessionFilter {
  const { createdSince, createdBefore, seenSince, seenBefore } = filter;
  const tenantId = input.optionalTenantId("filter.tenant_id", filter.tenantId, violations);
  const { tenants } = violations.access;
  // A caller that nobody has authenticated. It would find nothing.
  if (tenants?.size === 0) violations.forbidTenant();
  const ofCaller = tenants && [...tenants].sort();
  const type = (field: string, text: string) =>
    identifier(`filter.${field}`, text, MAX_TYPE_BYTES, violations);
  const period = (field: string, since?: RequestedTime, before?: RequestedTime) =>
    checkedPeriod(`filter.${field}`, { since, before }, violations);
  return {
    tenants: tenantId === undefined ? ofCaller : [tenantId],
    actorType: type("actor_type", filter.actorType),
    appType: type("app_type", filter.appType),
    network: checkedNetwork(filter.ipAddress, violations),
    userAgentContains: checkedPart(filter.userAgentContains, violations),
    created: period("created", createdSince, createdBefore),
    seen: period("seen", seenSince, seenBefore),
  };
}

function checkedNetwork(text: string, violations: Violations): string {
  if (text === "") return "";
  const network = text.length > MAX_NETWORK_BYTES ? undefined : normalizedIpNetwork(text);
  if (network === undefined) {
    violations.add(
      "filter.ip_address",
      "must be an IPv4 or IPv6 address, or a network such as 10.0.0.0/8 that has no bit set after " +
        "its prefix",
    );
  }
  return network ?? "";
}

function checkedPart(text: string, violations: Violations): string {
  const tooLong =
    Array.from(text.slice(0, 2 * MAX_USER_AGENT_CHARACTERS + 1)).length > MAX_USER_AGENT_CHARACTERS
      ? `must be at most ${MAX_USER_AGENT_CHARACTERS} characters`
      : undefined;
  const problem = storageProblem(text) ?? tooLong;
  if (problem !== undefined) violations.add("filter.user_agent_contains", problem);
  return text;
}
