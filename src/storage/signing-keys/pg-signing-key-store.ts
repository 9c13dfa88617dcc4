import type { CallContext } from "../../session/call-context.ts";
import type { SigningKeyId } from "../../session/ids.ts";
import type { NewSigningKey, SigningKey, StoredSigningKey } from "../../session/signing-key.ts";
import type { RotatedSigningKeys, SigningKeyStore } from "../../session/signing-key-store.ts";
import { AUDIT_COLUMNS } from "../audit/audit-columns.ts";
import { batchLimits } from "../pg/batch-limits.ts";
import { Batcher } from "../pg/batcher.ts";
import { rowsById } from "../pg/by-id.ts";
import { BATCHES, management } from "../pg/connection-permits.ts";
import type { Database, Row, Run } from "../pg/database.ts";
import { instantOf } from "../pg/instants.ts";
import { newestFirst } from "../pg/newest-first.ts";
import { arrayParameter, NOW } from "../pg/sql.ts";
import { retriedOnUniqueConflict } from "../pg/unique-conflicts.ts";
import { SIGNING_KEY_COLUMNS, signingKeyOf } from "./signing-key-columns.ts";
import { signingKeyEntity } from "./signing-key-entity.ts";

const STORED_COLUMNS = `${SIGNING_KEY_COLUMNS}, encrypted_key, key_encryption_key_id`;

const FIND = {
  name: "find_signing_keys",
  summary: "SELECT signing_keys",
  text: `SELECT ${STORED_COLUMNS} FROM signing_keys WHERE id = ANY (${arrayParameter(1, "text")})`,
};

const FIND_ACTIVE = {
  summary: "SELECT signing_keys",
  text: `SELECT ${STORED_COLUMNS} FROM signing_keys WHERE tenant_id = $1 AND retired_at IS NULL`,
};

const NEXT_BATCH = {
  summary: "SELECT signing_keys",
  text: `SELECT ${STORED_COLUMNS} FROM signing_keys WHERE id > $1 ORDER BY id LIMIT 500`,
};

const INSERT_FIRST = {
  summary: "INSERT signing_keys audit_events",
  text: `
    WITH inserted AS (
      INSERT INTO signing_keys (id, tenant_id, encrypted_key, key_encryption_key_id, created_at)
      VALUES ($1, $2, $3, $4, ${NOW})
      ON CONFLICT (tenant_id) WHERE retired_at IS NULL DO NOTHING
      RETURNING id
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_signing_key_bootstrap', '', 'sessiond', $2,
        'signing_key', id, '{}'
      FROM inserted
    )
    SELECT id FROM inserted`,
};

const RETIRE_ACTIVE = {
  summary: "UPDATE signing_keys",
  text: `
    UPDATE signing_keys SET retired_at = ${NOW} WHERE tenant_id = $1 AND retired_at IS NULL
    RETURNING ${SIGNING_KEY_COLUMNS}`,
};

const INSERT_ROTATED = {
  summary: "INSERT signing_keys audit_events",
  text: `
    WITH inserted AS (
      INSERT INTO signing_keys (id, tenant_id, encrypted_key, key_encryption_key_id, created_at)
      VALUES ($1, $2, $3, $4, ${NOW})
      RETURNING ${SIGNING_KEY_COLUMNS}
    ), audited AS (
      INSERT INTO audit_events (${AUDIT_COLUMNS})
      SELECT ${NOW}, 'auth', 'auth.session_signing_key_rotated', $5, $6, $2, 'signing_key', id,
        jsonb_strip_nulls(jsonb_build_object('active_key_id', id, 'retired_key_id', $7::text))
      FROM inserted
    )
    SELECT *, ${NOW} AS now FROM inserted`,
};

const REWRAP = {
  summary: "UPDATE signing_keys",
  text: `
    UPDATE signing_keys SET encrypted_key = $2, key_encryption_key_id = $3
    WHERE id = $1 AND encrypted_key = $4
    RETURNING id`,
};

/** The signing keys in PostgreSQL. */
export function createSigningKeyStore(database: Database): SigningKeyStore {
  // Reads of keys are rare, except in a flood of forged cookies that name unknown keys. They share few
  // connections.
  const reads = database.track(
    new Batcher<SigningKeyId, StoredSigningKey | undefined>({
      name: "find_signing_key",
      onBatch: database.options.onBatch,
      tracer: database.options.tracer,
      limits: batchLimits(database.options, "reads"),
      async execute(close, signal) {
        const use = { bulkhead: "reads", clientKey: BATCHES } as const;
        const rows = await database.query(FIND, () => [close()], signal, use);
        const found = new Map(rows.map((row) => [row.id, storedSigningKeyOf(row)]));
        return close().map((id) => found.get(id));
      },
    }),
  );
  return {
    find: (id, { signal, clientKey }) => reads.add(id, signal, clientKey),

    async findActive(tenantId, { signal }) {
      const [row] = await database.query(FIND_ACTIVE, [tenantId], signal);
      return row && storedSigningKeyOf(row);
    },

    async insertFirst(key, context) {
      const rows = await database.lockingTransaction(context, tenantKey(key), (run) =>
        run(INSERT_FIRST, valuesOf(key)),
      );
      return rows.length > 0;
    },

    /**
     * A lock on the active row is not enough: after it has waited for the lock, a rotation finds the
     * row retired and does not see the new one. So the unique index rejects the second insert, and
     * that rotation is retried.
     */
    rotate: (key, actingActorId, context) =>
      retriedOnUniqueConflict(context.signal, () =>
        rotateOnce(database, key, actingActorId, context),
      ),

    async *all({ signal }) {
      for await (const row of rowsById(database, NEXT_BATCH, signal)) yield storedSigningKeyOf(row);
    },

    async rewrap(id, from, to, context) {
      const values = [id, to.ciphertext, to.keyEncryptionKeyId, from.ciphertext];
      const rows = await database.lockingTransaction(context, `signing key ${id}`, (run) =>
        run(REWRAP, values),
      );
      return rows.length > 0;
    },

    list: (tenantId, { after, limit }, context) =>
      database.withEntityManager(
        context.signal,
        (manager) => {
          const query = manager.createQueryBuilder(signingKeyEntity, "keys").where({ tenantId });
          return newestFirst<SigningKey>(query, after, limit);
        },
        management(context),
        "SELECT signing_keys",
      ),
  };
}

function rotateOnce(
  database: Database,
  key: NewSigningKey,
  actingActorId: string,
  context: CallContext,
): Promise<RotatedSigningKeys> {
  const { callingService } = context;
  const rotation = async (run: Run) => {
    const [retired] = await run(RETIRE_ACTIVE, [key.tenantId]);
    const audit = [actingActorId, callingService, retired?.id ?? null];
    const [inserted] = await run(INSERT_ROTATED, [...valuesOf(key), ...audit]);
    const row = inserted as Row;
    return {
      now: instantOf(row.now),
      active: signingKeyOf(row),
      retired: retired && signingKeyOf(retired),
    };
  };
  return database.lockingTransaction(context, tenantKey(key), rotation);
}

/** The key of what changes a tenant's active signing key: see Database.lockingTransaction. */
function tenantKey({ tenantId }: NewSigningKey): string {
  return `signing key ${tenantId}`;
}

function valuesOf({ id, tenantId, encrypted }: NewSigningKey): readonly unknown[] {
  return [id, tenantId, encrypted.ciphertext, encrypted.keyEncryptionKeyId];
}

function storedSigningKeyOf(row: Row): StoredSigningKey {
  return {
    ...signingKeyOf(row),
    encrypted: {
      ciphertext: row.encrypted_key as Buffer,
      keyEncryptionKeyId: row.key_encryption_key_id as string,
    },
  };
}
