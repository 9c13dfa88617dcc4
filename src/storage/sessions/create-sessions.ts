import type { SessionId } from "../../session/ids.ts";
import type { CreateOutcome, NewSession, ReplacedSession } from "../../session/session-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import { type Execute, RETRY_ALONE } from "../pg/batcher.ts";
import { byId } from "../pg/columns.ts";
import type { Query, Row, Run } from "../pg/database.ts";
import { instant, instantOf } from "../pg/instants.ts";
import type { Statement } from "../pg/prepared-statements.ts";
import { itemsFrom, NOW } from "../pg/sql.ts";
import { NO_SESSION, SESSION_COLUMNS, sessionColumns, sessionOf } from "./session-columns.ts";
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
  { name: "replaces", type: "text", get: ({ replaces }) => replaces ?? "" },
];

const ITEM = Object.fromEntries(PARAMETERS.map(({ name, type }) => [name, type]));

const INSERTED = sessionColumns.map(({ name }) => COMPUTED[name] ?? name).join(", ");

/** A session that Create replaces, or whose successor it has to name. */
const REPLACEABLE = "(revoked_at IS NULL OR rotated_to IS NOT NULL)";

/**
 * Reads the signing key in the statement that inserts the session, so that a replica never signs with
 * a key that another replica has retired. If the key is not active, it inserts nothing and returns no
 * row. It also inserts nothing for an item whose replaced session was skipped, or has been
 * rotated: then it returns the successor, which this statement may not see yet. The replaced session is
 * locked before it is evaluated, for the same reason as in revoke-sessions.ts.
 */
function createStatement({ suffix, lock, isSkipped }: Locking): Statement {
  return {
    name: `create${suffix}`,
    text: `
    WITH item AS (
      SELECT new.* FROM ${itemsFrom("new", ITEM)}
      JOIN signing_keys ON signing_keys.id = signing_key_id
        AND signing_keys.tenant_id = new.tenant_id AND retired_at IS NULL
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
      RETURNING ${SESSION_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_revoked', revoked_by, calling_service, tenant_id,
        'session', id, jsonb_build_object('reason', 'replaced', 'replaced_by', item_id)
      FROM replaced
      UNION ALL
      SELECT ${NOW}, 'auth', 'auth.session_created', actor_id, calling_service, tenant_id,
        'session', id, jsonb_build_object('actor_type', actor_type, 'pre_login', pre_login::text)
      FROM accepted
    )
    SELECT ${SESSION_COLUMNS}, ${NOW} AS now, NULL AS replaced_id, NULL AS replaced_pre_login,
      NULL AS successor_id, false AS skipped
    FROM created
    UNION ALL
    SELECT item_id, ${NO_SESSION}, NULL, id, pre_login, NULL, false FROM replaced
    UNION ALL
    SELECT id, ${NO_SESSION}, NULL, NULL, NULL, successor_id, skipped
    FROM evaluated WHERE skipped OR successor_id IS NOT NULL`,
  };
}

/** Creates a batch of sessions. */
export function createSessions(locking: Locking): (query: Query) => Execute<Create, CreateOutcome> {
  const statement = createStatement(locking);
  return (query) => async (close, signal) => {
    const rows = await query(statement, () => valuesOf(close()), signal);
    return outcomesOf(close(), rows);
  };
}

const CREATE = createStatement(WAIT_FOR_LOCKED);

/** Creates one session in the transaction of `run`. Waits for locked rows. */
export async function createWithin(run: Run, create: Create): Promise<CreateOutcome> {
  const creates = [create];
  const [outcome] = outcomesOf(creates, await run(CREATE, valuesOf(creates)));
  return outcome as CreateOutcome;
}

function valuesOf(creates: readonly Create[]): readonly unknown[] {
  return PARAMETERS.map(({ get }) => creates.map(get));
}

function outcomesOf(
  creates: readonly Create[],
  rows: readonly Row[],
): readonly (CreateOutcome | typeof RETRY_ALONE)[] {
  const created = byId(rows.filter((row) => row.replaced_id === null));
  const replaced = byId(rows.filter((row) => row.replaced_id !== null));
  return creates.map(({ session: { id } }) => {
    const row = created.get(id);
    if (row === undefined) return { kind: "key_not_active" };
    if (row.skipped) return RETRY_ALONE;
    if (row.successor_id !== null) return replacedWasRotated(row.successor_id);
    return {
      kind: "created",
      session: sessionOf(row),
      now: instantOf(row.now),
      replaced: replacedOf(replaced.get(id)),
    };
  });
}

export function replacedWasRotated(successorId: unknown): CreateOutcome {
  return { kind: "replaced_was_rotated", successorId: successorId as SessionId };
}

function replacedOf(row: Row | undefined): ReplacedSession | undefined {
  return row && { id: row.replaced_id as SessionId, preLogin: row.replaced_pre_login as boolean };
}
