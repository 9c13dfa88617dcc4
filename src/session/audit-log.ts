import type { AuditEvent } from "./audit.ts";
import type { AuditStore } from "./audit-store.ts";
import type { CallContext } from "./call-context.ts";
import type { ListAuditEventsCommand } from "./commands.ts";
import * as input from "./input.ts";
import { invalidPageToken, PageTokens, pageSize } from "./pages.ts";

export interface AuditEventPage {
  readonly items: readonly AuditEvent[];
  readonly nextPageToken: string;
}

/** Reads the audit log. */
export class AuditLog {
  readonly #store: AuditStore;

  constructor(store: AuditStore) {
    this.#store = store;
  }

  /** @throws {SessionError} INVALID_REQUEST, with the field that is wrong */
  async list(command: ListAuditEventsCommand, context: CallContext): Promise<AuditEventPage> {
    const tenantId = input.tenantId("tenant_id", command.tenantId);
    const resourceId = input.filter("resource_id", command.resourceId);
    const actingActorId = input.filter("acting_actor_id", command.actingActorId);
    const limit = pageSize(command.pageSize);
    const tokens = new PageTokens("audit_events", tenantId, resourceId, actingActorId);
    const before = position(tokens.decode(command.pageToken));

    const filter = { tenantId, resourceId, actingActorId, before, limit };
    const page = await this.#store.list(filter, context);
    const last = page.items.at(-1);
    return {
      items: page.items,
      nextPageToken: page.more && last ? tokens.encode(String(last.id)) : "",
    };
  }
}

function position(decoded: readonly string[] | undefined): bigint | undefined {
  if (decoded === undefined) return undefined;
  const [id = ""] = decoded;
  // 18 digits fit into the database's bigint.
  if (!/^\d{1,18}$/.test(id)) throw invalidPageToken();
  return BigInt(id);
}
