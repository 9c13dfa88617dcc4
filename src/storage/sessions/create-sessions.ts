import type { Instant } from "../../session/clock.ts";
import type { SessionId } from "../../session/ids.ts";
import type { Session } from "../../session/session.ts";
import type { CreateOutcome, NewSession } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import { arrayLiteral } from "../pg/array-literal.ts";
import { type Execute, RETRY_ALONE } from "../pg/batcher.ts";
import type { Query, Row, Run } from "../pg/database.ts";
import { instant, instantOf } from "../pg/instants.ts";
import type { Statement } from "../pg/prepared-statements.ts";
import { itemsFrom, NOW } from "../pg/sql.ts";
import { SESSION_COLUMNS, sessionColumns } from "./session-columns.ts";
import { type Locking, live, WAIT_FOR_LOCKED } from "./session-conditions.ts";

export interface Create {
  readonly session: NewSession;
  readonly replaces: SessionId | undefined;
  readonly callingService: string;
}

/** The columns whose values the statement computes. All others come from the new session. */
const COMPUTED: Readonly<Record<string, string>> = {
  created_at: NOW,
  last_seen_at: NOW,
  absolute_expires_at: `${NOW} + absolute_timeout_ms * interval '1 millisecond'`,
  revoked_at: "NULL",
  revoke_reason: "''",
  revoked_by: "''",
  metadata_etag: "1",
  // LEAST ignores NULL.
  authenticated_at: `CASE WHEN NOT pre_login THEN LEAST(requested_authenticated_at, ${NOW}) END`,
};

/** A parameter of the statement: an array with a value for each item. */
interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly get: (create: Create) => unknown;
}

const PARAMETERS: readonly Parameter[] = [
  ...sessionColumns
    .filter(({ name }) => COMPUTED[name] === undefined)
    .map(({ name, type, property, toParameter }) => ({
      name,
      type,
      get: ({ session }: Create) => toParameter(session[property as keyof NewSession]),
    })),
  {
    name: "absolute_timeout_ms",
    type: "float8",
    get: ({ session }) => session.absoluteTimeoutMs,
  },
  {
    name: "requested_authenticated_at",
    type: "timestamptz",
    get: ({ session }) => instant.to(session.authenticatedAt),
  },
  { name: "calling_service", type: "text", get: ({ callingService }) => callingService },
];

const REPLACING_PARAMETERS: readonly Parameter[] = [
  ...PARAMETERS,
  { name: "replaces", type: "text", get: ({ replaces }) => replaces ?? null },
];

const INSERTED = sessionColumns.map(({ name }) => COMPUTED[name] ?? name).join(", ");

/** A session that Create replaces, or whose successor it has to name. */
const REPLACEABLE = "(revoked_at IS NULL OR rotated_to IS NOT NULL)";

/** The items, and whether the signing key of each is its tenant's active one. */
function itemsWith(parameters: readonly Parameter[]): string {
  const columns = Object.fromEntries(parameters.map(({ name, type }) => [name, type]));
  return `
      SELECT new.*, signing_keys.id IS NOT NULL AS is_key_active FROM ${itemsFrom("new", columns)}
      LEFT JOIN signing_keys ON signing_keys.id = signing_key_id
        AND signing_keys.tenant_id = new.tenant_id AND retired_at IS NULL`;
}

/** The columns of the events for the sessions that are created. */
const CREATED_EVENT = `${NOW}, 'auth', 'auth.session_created', actor_id, calling_service, tenant_id,
        'session', id, jsonb_build_object('actor_type', actor_type, 'pre_login', pre_login::text)`;

/**
 * Both statements read the signing keys when they insert the sessions, so that a replica never signs with
 * a key that another replica has retired. For an item whose key is not active, nothing is inserted.
 *
 * They return one row: the time, how many sessions were inserted, and as JSON the items of which there is
 * more to say (Exception). The sessions are known without that. One statement that also looked for
 * replaced sessions and returned all rows took 1.33 times PostgreSQL's CPU, and 1.15 times this process's.
 */
const CREATE: Statement = {
  name: "create",
  summary: "INSERT sessions audit_events",
  text: `
    WITH item AS (${itemsWith(PARAMETERS)}
    ), created AS (
      INSERT INTO sessions (${SESSION_COLUMNS}) SELECT ${INSERTED} FROM item WHERE is_key_active
      RETURNING 1
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS}) SELECT ${CREATED_EVENT} FROM item WHERE is_key_active
    )
    SELECT ${NOW} AS now, (SELECT count(*) FROM created)::integer AS created_count,
      (SELECT jsonb_agg(jsonb_build_object('id', id, 'kind', 'key_not_active'))
       FROM item WHERE NOT is_key_active) AS exceptions`,
};

/**
 * The same for items some of which replace a session. It inserts nothing for an item whose replaced
 * session was skipped, or has been rotated: then it returns the successor, which this statement may not
 * see yet. The replaced session is locked before it is evaluated, for the same reason as in
 * revoke-sessions.ts.
 */
function replaceStatement({ suffix, lock, isSkipped }: Locking): Statement {
  return {
    name: `create_replacing${suffix}`,
    summary: "UPDATE sessions INSERT sessions audit_events",
    text: `
    WITH given AS (${itemsWith(REPLACING_PARAMETERS)}
    ), item AS (
      SELECT * FROM given WHERE is_key_active
    ), target AS (
      SELECT sessions.id AS target_id, rotated_to, revoked_at, last_seen_at, sessions.idle_timeout_seconds,
        absolute_expires_at, item.id AS item_id, item.actor_id AS acting_actor_id, calling_service
      FROM item JOIN sessions ON sessions.id = replaces
        AND sessions.tenant_id = item.tenant_id
      WHERE ${REPLACEABLE} ${lock}
    ), replaced AS (
      UPDATE sessions SET revoked_at = ${NOW}, revoke_reason = 'replaced',
        revoked_by = acting_actor_id
      FROM target WHERE sessions.id = target_id AND ${live("target")}
      RETURNING sessions.id, sessions.tenant_id, sessions.pre_login, revoked_by, item_id,
        calling_service
    ), evaluated AS (
      SELECT *, ${isSkipped("replaces", `${REPLACEABLE} AND tenant_id = item.tenant_id`)} AS skipped,
        (SELECT rotated_to FROM target WHERE item_id = item.id) AS successor_id
      FROM item
    ), accepted AS (
      SELECT * FROM evaluated WHERE NOT skipped AND successor_id IS NULL
    ), created AS (
      INSERT INTO sessions (${SESSION_COLUMNS}) SELECT ${INSERTED} FROM accepted
      RETURNING 1
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', revoked_by, calling_service, tenant_id,
        'session', id, jsonb_build_object('reason', 'replaced', 'replaced_by', item_id)
      FROM replaced
      UNION ALL
      SELECT ${CREATED_EVENT} FROM accepted
    ), exception AS (
      SELECT item_id AS id, 'replaced' AS kind, id AS session_id, pre_login FROM replaced
      UNION ALL
      SELECT id, CASE WHEN skipped THEN 'skipped' ELSE 'rotated' END, successor_id, NULL
      FROM evaluated WHERE skipped OR successor_id IS NOT NULL
      UNION ALL
      SELECT id, 'key_not_active', NULL, NULL FROM given WHERE NOT is_key_active
    )
    SELECT ${NOW} AS now, (SELECT count(*) FROM created)::integer AS created_count,
      (SELECT jsonb_agg(to_jsonb(exception)) FROM exception) AS exceptions`,
  };
}

/** What there is to say of an item besides that its session was created. */
type Exception = { readonly id: SessionId } & (
  | { readonly kind: "replaced"; readonly session_id: SessionId; readonly pre_login: boolean }
  /** Nothing was stored. */
  | { readonly kind: "rotated"; readonly session_id: SessionId }
  | { readonly kind: "skipped" | "key_not_active" }
);

/** Creates a batch of sessions. */
export function createSessions(locking: Locking): (query: Query) => Execute<Create, CreateOutcome> {
  const choose = statementFor(locking);
  return (query) => async (close, signal) => {
    const rows = await query(choose, () => valuesOf(close()), signal);
    return outcomesOf(close(), rows);
  };
}

const chooseWaiting = statementFor(WAIT_FOR_LOCKED);

/** Creates one session in the transaction of `run`. Waits for locked rows. */
export async function createWithin(run: Run, create: Create): Promise<CreateOutcome> {
  const creates = [create];
  const [outcome] = outcomesOf(creates, await run(chooseWaiting, valuesOf(creates)));
  return outcome as CreateOutcome;
}

function statementFor(locking: Locking): (values: readonly unknown[]) => Statement {
  const replacing = replaceStatement(locking);
  return (values) => (values.length === PARAMETERS.length ? CREATE : replacing);
}

/** An array for each parameter of the statement. */
function valuesOf(creates: readonly Create[]): readonly unknown[] {
  const isReplacing = creates.some(({ replaces }) => replaces !== undefined);
  const parameters = isReplacing ? REPLACING_PARAMETERS : PARAMETERS;
  return parameters.map(({ get }) => arrayLiteral(creates.map(get)));
}

function outcomesOf(
  creates: readonly Create[],
  rows: readonly Row[],
): readonly (CreateOutcome | typeof RETRY_ALONE)[] {
  const [row] = rows as readonly [Row];
  const now = instantOf(row.now);
  const exceptions = new Map(
    ((row.exceptions ?? []) as readonly Exception[]).map((exception) => [exception.id, exception]),
  );
  let createdCount = 0;
  const outcomes = creates.map(({ session }): CreateOutcome | typeof RETRY_ALONE => {
    const exception = exceptions.get(session.id);
    switch (exception?.kind) {
      case "key_not_active":
        return { kind: "key_not_active" };
      case "skipped":
        return RETRY_ALONE;
      case "rotated":
        return replacedWasRotated(exception.session_id);
    }
    createdCount += 1;
    const replaced = exception && { id: exception.session_id, preLogin: exception.pre_login };
    return { kind: "created", session: createdSession(session, now), now, replaced };
  });
  // What is reported as created must have been inserted, whatever the statement makes of an item.
  if (createdCount !== row.created_count) {
    throw new Error(`${row.created_count} sessions were created instead of ${createdCount}`);
  }
  return outcomes;
}

/** The session as it was inserted: what it was given, and COMPUTED. */
function createdSession(session: NewSession, now: Instant): Session {
  return {
    id: session.id,
    tenantId: session.tenantId,
    actorType: session.actorType,
    actorId: session.actorId,
    appType: session.appType,
    preLogin: session.preLogin,
    createdAt: now,
    lastSeenAt: now,
    idleTimeoutMs: session.idleTimeoutMs,
    absoluteExpiresAt: now + session.absoluteTimeoutMs,
    revokedAt: undefined,
    revokeReason: "",
    revokedBy: "",
    ipAddress: session.ipAddress,
    userAgent: session.userAgent,
    signingKeyId: session.signingKeyId,
    csrfTokenHash: session.csrfTokenHash,
    metadata: session.metadata,
    metadataEtag: "1",
    authLevel: session.authLevel,
    authMethods: session.authMethods,
    authenticatedAt: session.preLogin ? undefined : Math.min(session.authenticatedAt ?? now, now),
  };
}

export function replacedWasRotated(successorId: unknown): CreateOutcome {
  return { kind: "replaced_was_rotated", successorId: successorId as SessionId };
}
