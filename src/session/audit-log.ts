import type { AuditEvent } from "./audit.ts";
import type { AuditStore } from "./audit-store.ts";
import type { CallContext } from "./call-context.ts";
import type { ListAuditEventsCommand } from "./commands.ts";
import * as input from "./input.ts";
import { addInvalidPageToken, PageTokens, pageSize } from "./pages.ts";
import type { TenantPolicy } from "./policy.ts";
import { tenantAccess } from "./tenant-access.ts";
import { Violations } from "./violations.ts";

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

  /** @throws {SessionError} INVALID_REQUEST, with the fields that are wrong */
  async list(command: ListAuditEventsCommand, context: CallContext): Promise<AuditEventPage> {
    const violations = new Violations(tenantAccess(context, this.#tenants));
    const tenantId = input.tenantId("tenant_id", command.tenantId, violations);
    const resourceId = input.filter("resource_id", command.resourceId, violations);
    const actingActorId = input.filter("acting_actor_id", command.actingActorId, violations);
    const tokens = new PageTokens("audit_events", tenantId, resourceId, actingActorId);
    // A token is one of the list that the other fields name.
    const pageToken = violations.none ? command.pageToken : "";
    const limit = pageSize(command.pageSize, violations);
    const before = position(tokens.decode(pageToken, violations), violations);
    violations.throwIfAny();

    const filter = { tenantId, resourceId, actingActorId, before, limit };
    const page = await this.#store.list(filter, context);
    const last = page.items.at(-1);
    return {
      items: page.items,
      nextPageToken: page.more && last ? tokens.encode(String(last.id)) : "",
    };
  }
}

function position(
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
