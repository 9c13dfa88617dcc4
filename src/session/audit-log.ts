import type { AuditEvent } from "./audit.ts";
import type { AuditPage, AuditQuery, AuditStore } from "./audit-store.ts";
import type { CallContext } from "./call-context.ts";
import type { ListAuditEventsCommand } from "./commands.ts";
import type { TenantId } from "./ids.ts";
import * as input from "./input.ts";
import { addInvalidPageToken, PageTokens, pageSize } from "./pages.ts";
import type { TenantPolicy } from "./policy.ts";
import { checkedPeriod } from "./requested-time.ts";
import { assertAllTenants, tenantAccess } from "./tenant-access.ts";
import { identifier } from "./text.ts";
import { Violations } from "./violations.ts";

const MAX_ACTION_BYTES = 64;

export interface AuditEventPage {
  readonly items: readonly AuditEvent[];
  readonly nextPageToken: string;
}

/** Reads the audit log. */
export class AuditLog {
  readonly #store: AuditStore;
  readonly #tenants: TenantPolicy;

  constructor(store: AuditStore, tenants: TenantPolicy) {
    this.#store = store;
    this.#tenants = tenants;
  }

  /**
   * @throws {SessionError} INVALID_REQUEST, with the fields that are wrong, or CALLER_FORBIDDEN for a tenant
   * that the caller may not act on
   */
  async list(command: ListAuditEventsCommand, context: CallContext): Promise<AuditEventPage> {
    const { oldestFirst } = command;
    const violations = new Violations(tenantAccess(context, this.#tenants));
    const selection = {
      tenantId: checkedTenant(command, violations),
      resourceId: input.filter("resource_id", command.resourceId, violations),
      actingActorId: input.filter("acting_actor_id", command.actingActorId, violations),
      action: identifier("action", command.action, MAX_ACTION_BYTES, violations),
      occurred: checkedPeriod(
        "occurred",
        { since: command.occurredSince, before: command.occurredBefore },
        violations,
      ),
      afterId: checkedAfterId(command.afterId, violations),
    };
    const tokens = pageTokens(selection, oldestFirst);
    // A token is one of the list that the other fields name.
    const pageToken = violations.none ? command.pageToken : "";
    const limit = pageSize(command.pageSize, violations);
    const position = positionOf(tokens.decode(pageToken, violations), violations);
    violations.throwIfAny();
    if (command.allTenants) assertAllTenants(context);

    const query = { ...selection, oldestFirst, position, limit };
    const { items, next }: AuditPage = await this.#store.list(query, context);
    return { items, nextPageToken: next === undefined ? "" : tokens.encode(String(next)) };
  }
}

/** Undefined: all tenants, which the caller must be allowed to act on. */
function checkedTenant(
  { tenantId, allTenants }: ListAuditEventsCommand,
  violations: Violations,
): TenantId | undefined {
  if (!allTenants) return input.tenantId("tenant_id", tenantId, violations);
  if (tenantId !== "") violations.add("tenant_id", "must be empty with all_tenants");
  return undefined;
}

function checkedAfterId(id: bigint, violations: Violations): bigint {
  if (id < 0n) violations.add("after_id", "must be the id of an audit event, or 0");
  return id;
}

type Selection = Omit<AuditQuery, "oldestFirst" | "position" | "limit">;

/** Of a list by tenant, resource and actor alone, the tokens are those of versions that knew no more. */
function pageTokens(
  { tenantId, resourceId, actingActorId, action, occurred, afterId }: Selection,
  oldestFirst: boolean,
): PageTokens {
  const { since, before } = occurred;
  const id = afterId === 0n ? "" : String(afterId);
  const more = [tenantId === undefined, action, since, before, id, oldestFirst];
  const scope = more.some(Boolean) ? [JSON.stringify(more)] : [];
  return new PageTokens("audit_events", tenantId ?? "", resourceId, actingActorId, ...scope);
}

function positionOf(
  decoded: readonly string[] | undefined,
  violations: Violations,
): bigint | undefined {
  if (decoded === undefined) return undefined;
  const [id = ""] = decoded;
  // 18 digits fit into the database's bigint.
  if (/^\d{1,18}$/.test(id)) return BigInt(id);
  addInvalidPageToken(violations);
  return undefined;
}
