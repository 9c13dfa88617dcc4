import type { AuditEntry, AuditEvent } from "./audit.ts";
import type { CallContext } from "./call-context.ts";
import type { TenantId } from "./ids.ts";
import type { Period } from "./requested-time.ts";

/** One page of audit events. Empty texts mean any. */
export interface AuditQuery {
  /** Undefined: all. */
  readonly tenantId: TenantId | undefined;
  readonly resourceId: string;
  readonly actingActorId: string;
  readonly action: string;
  readonly occurred: Period;
  /** Only events with larger ids. */
  readonly afterId: bigint;
  readonly oldestFirst: boolean;
  /** `next` of the page before. Undefined: the first page. */
  readonly position: bigint | undefined;
  /** The maximum number of events to return. */
  readonly limit: number;
}

export interface AuditPage {
  readonly items: readonly AuditEvent[];
  /** Where the next page begins. Undefined: there is none. */
  readonly next: bigint | undefined;
}

/** The storage of audit events. CallContext states what all stores have in common. */
export interface AuditStore {
  /** Writes events that belong to no change, such as denials. */
  append(entries: readonly AuditEntry[], context: CallContext): Promise<void>;

  /**
   * One page of events. Of all tenants, by action or by time, one call reads at most 5000 events, so the
   * page may be empty although there is a next one.
   *
   * Oldest first, no event is missed that is committed later with a smaller id: a page ends before the
   * events of the last seconds. There is always a next page, until all events before the end of the period
   * have been returned.
   */
  list(query: AuditQuery, context: CallContext): Promise<AuditPage>;
}
