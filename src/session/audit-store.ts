import type { AuditEntry, AuditEvent } from "./audit.ts";
import type { CallContext } from "./call-context.ts";
import type { TenantId } from "./ids.ts";

/** The storage of audit events. CallContext states what all stores have in common. */
export interface AuditStore {
  /** Writes events that belong to no change, such as denials. */
  append(entries: readonly AuditEntry[], context: CallContext): Promise<void>;

  /** A tenant's events, newest first. */
  list(
    filter: {
      readonly tenantId: TenantId;
      /** Empty: any. */
      readonly resourceId: string;
      /** Empty: any. */
      readonly actingActorId: string;
      /** Only events with ids below this one. */
      readonly before: bigint | undefined;
      /** The maximum number of events to return. */
      readonly limit: number;
    },
    context: CallContext,
  ): Promise<{ readonly items: readonly AuditEvent[]; readonly more: boolean }>;
}
