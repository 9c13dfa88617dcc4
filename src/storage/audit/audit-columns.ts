/** The columns of an audit event, in the order in which statements insert them. */
export const AUDIT_COLUMNS = `occurred_at, category, action, acting_actor_id, calling_service,
  tenant_id, resource_type, resource_id, details`;
