import type { CallContext } from "../../session/call-context.ts";
import { DEFAULT_TENANT } from "../../session/ids.ts";
import type { NewTokenKey, StoredTokenKey, TokenKey } from "../../session/token-key.ts";
import type {
  RotatedTokenKeys,
  TokenKeyRotation,
  TokenKeyStore,
} from "../../session/token-key-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import { rowsById } from "../pg/by-id.ts";
import { management } from "../pg/connection-permits.ts";
import type { Database, Row, Run } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
import { newestFirst } from "../pg/newest-first.ts";
import { NOW } from "../pg/sql.ts";
import { retriedOnUniqueConflict } from "../pg/unique-conflicts.ts";
import { TOKEN_KEY_COLUMNS, tokenKeyOf } from "./token-key-columns.ts";
import { tokenKeyEntity } from "./token-key-entity.ts";

const STORED_COLUMNS = `${TOKEN_KEY_COLUMNS}, encrypted_key, key_encryption_key_id`;

const PUBLISHED = {
  summary: "SELECT token_keys",
  text: `
    SELECT ${STORED_COLUMNS}, ${NOW} AS now FROM token_keys
    WHERE published_until IS NULL OR published_until > statement_timestamp()`,
};

const NEXT_BATCH = {
  summary: "SELECT token_keys",
  text: `SELECT ${STORED_COLUMNS} FROM token_keys WHERE id > $1 ORDER BY id LIMIT 500`,
};

/** The keys are of no tenant. Their audit events are the default tenant's, since each event has one. */
const INSERT_FIRST = {
  summary: "INSERT token_keys audit_events",
  text: `
    WITH inserted AS (
      INSERT INTO token_keys (id, algorithm, encrypted_key, key_encryption_key_id, created_at, signs_from)
      VALUES ($1, $2, $3, $4, ${NOW}, ${NOW})
      ON CONFLICT ((published_until IS NULL)) WHERE published_until IS NULL DO NOTHING
      RETURNING id
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.token_key_bootstrap', '', 'sessiond', '${DEFAULT_TENANT}', 'token_key', id, '{}'
      FROM inserted
    )
    SELECT id FROM inserted`,
};

/**
 * Also of keys that end later, because they were rotated with a longer delay. The comparison with now, which
 * follows from the other one, tells the planner that these are few.
 */
const END_OTHERS = {
  summary: "UPDATE token_keys",
  text: `
    UPDATE token_keys SET published_until = ${NOW} + $1 * interval '1 millisecond'
    WHERE published_until IS NULL OR (
      published_until > ${NOW} AND published_until > ${NOW} + $1 * interval '1 millisecond'
    )
    RETURNING ${TOKEN_KEY_COLUMNS}`,
};

const END_ALL = {
  summary: "UPDATE token_keys",
  text: `
    UPDATE token_keys SET published_until = ${NOW}
    WHERE published_until IS NULL OR published_until > ${NOW}
    RETURNING ${TOKEN_KEY_COLUMNS}`,
};

const INSERT_ROTATED = {
  summary: "INSERT token_keys audit_events",
  text: `
    WITH inserted AS (
      INSERT INTO token_keys (id, algorithm, encrypted_key, key_encryption_key_id, created_at, signs_from)
      VALUES ($1, $2, $3, $4, ${NOW}, ${NOW} + $5 * interval '1 millisecond')
      RETURNING ${TOKEN_KEY_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.token_key_rotated', $6, $7, '${DEFAULT_TENANT}', 'token_key', id,
        jsonb_build_object('new_key_id', id, 'retired_key_ids', $8::text, 'immediately', $9::text)
      FROM inserted
    )
    SELECT *, ${NOW} AS now FROM inserted`,
};

const REWRAP = {
  summary: "UPDATE token_keys",
  text: `
    UPDATE token_keys SET encrypted_key = $2, key_encryption_key_id = $3
    WHERE id = $1 AND encrypted_key = $4
    RETURNING id`,
};

/** What changes the keys takes turns within a process: see Database.lockingTransaction. */
const CHANGE = "token keys";

/** The token keys in PostgreSQL. */
export function createTokenKeyStore(database: Database): TokenKeyStore {
  return {
    async published({ signal }) {
      const rows = await database.query(PUBLISHED, [], signal);
      return {
        now: rows[0] === undefined ? 0 : instantOf(rows[0].now),
        keys: rows.map(storedTokenKeyOf),
      };
    },

    async insertFirst(key, context) {
      const rows = await database.lockingTransaction(context, CHANGE, (run) =>
        run(INSERT_FIRST, valuesOf(key)),
      );
      return rows.length > 0;
    },

    /** As the rotation of signing keys: the unique index rejects the second insert, which is retried. */
    rotate: (key, rotation, context) =>
      retriedOnUniqueConflict(context.signal, () =>
        database.lockingTransaction(context, CHANGE, (run) =>
          rotateOnce(run, key, rotation, context),
        ),
      ),

    async *all({ signal }) {
      for await (const row of rowsById(database, NEXT_BATCH, signal)) yield storedTokenKeyOf(row);
    },

    async rewrap(id, from, to, context) {
      const values = [id, to.ciphertext, to.keyEncryptionKeyId, from.ciphertext];
      const rows = await database.lockingTransaction(context, CHANGE, (run) => run(REWRAP, values));
      return rows.length > 0;
    },

    list: ({ after, limit }, context) =>
      database.withEntityManager(
        context.signal,
        (manager) => {
          const query = manager.createQueryBuilder(tokenKeyEntity, "keys");
          return newestFirst<TokenKey>(query, after, limit);
        },
        management(context),
        "SELECT token_keys",
      ),
  };
}

async function rotateOnce(
  run: Run,
  key: NewTokenKey,
  { immediately, publishDelayMs, keepMs, actingActorId }: TokenKeyRotation,
  { callingService }: CallContext,
): Promise<RotatedTokenKeys> {
  const delayMs = immediately ? 0 : publishDelayMs;
  const ended = immediately ? await run(END_ALL, []) : await run(END_OTHERS, [delayMs + keepMs]);
  const retired = ended.map(tokenKeyOf).sort((one, other) => other.createdAt - one.createdAt);
  const ids = retired.map(({ id }) => id).join(",");
  const audit = [actingActorId, callingService, ids, String(immediately)];
  const [row] = (await run(INSERT_ROTATED, [...valuesOf(key), delayMs, ...audit])) as [Row];
  return { now: instantOf(row.now), newKey: tokenKeyOf(row), retired };
}

function valuesOf({ id, algorithm, encrypted }: NewTokenKey): readonly unknown[] {
  return [id, algorithm, encrypted.ciphertext, encrypted.keyEncryptionKeyId];
}

function storedTokenKeyOf(row: Row): StoredTokenKey {
  return {
    ...tokenKeyOf(row),
    encrypted: {
      ciphertext: row.encrypted_key as Buffer,
      keyEncryptionKeyId: row.key_encryption_key_id as string,
    },
  };
}
