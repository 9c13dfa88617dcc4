/** What can be told of a database without changing anything in it. */

import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { EncryptedKey, WrapContext } from "../session/key-wrapper.ts";
import { tokenKeyContext } from "../session/token-key.ts";
import { createClient, type DataSourceOptions, databaseAddress } from "./data-source.ts";
import { openError } from "./open-database.ts";
import { readServerState, type ServerState } from "./server-checks.ts";

export interface DiagnosisOptions extends Pick<DataSourceOptions, "connectTimeoutMs"> {
  /** The URL of each host of the database. */
  readonly urls: readonly string[];
}

/** A connection of its own, on which nothing is changed. */
export interface Diagnosis {
  readonly client: pg.Client;
  /** Of the host that it is connected to. */
  readonly url: string;
  /** That host and its port, or the path of its socket. */
  readonly address: string;
}

/**
 * Connects to the host that takes writes; if none does, to the first that answers.
 *
 * @throws {Error} with the addresses and the cause, but without user and password
 */
export async function connectForDiagnosis(options: DiagnosisOptions): Promise<Diagnosis> {
  const { urls, connectTimeoutMs } = options;
  const errors: unknown[] = [];
  let standby: Diagnosis | undefined;
  for (const url of urls) {
    try {
      const client = await connectTo(url, connectTimeoutMs);
      const { address } = databaseAddress(url);
      const { isStandby, isReadOnly } = await readServerState(client);
      if (urls.length === 1 || !(isStandby || isReadOnly)) {
        await standby?.client.end();
        return { client, url, address };
      }
      if (standby === undefined) standby = { client, url, address };
      else await client.end();
    } catch (error) {
      errors.push(error);
    }
  }
  if (standby !== undefined) return standby;
  const addresses = urls.map((url) => databaseAddress(url).address).join(", ");
  throw openError(`cannot connect to the database at ${addresses}`, errors[0]);
}

async function connectTo(url: string, connectTimeoutMs: number): Promise<pg.Client> {
  const client = createClient(url, connectTimeoutMs);
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** What a server, the database and the role are like. */
export interface ServerFacts extends ServerState {
  readonly encoding: string;
  readonly synchronousCommit: string;
  readonly maxConnections: number;
  readonly reservedConnections: number;
  readonly role: string;
  /** `null` if no schema of the search path exists. */
  readonly schema: string | null;
  readonly mayCreateTables: boolean | null;
  /** Of the oldest transaction of another connection to the database. */
  readonly oldestTransactionSeconds: number | null;
  /** The database's clock, in milliseconds since 1970, and this machine's before and after it was read. */
  readonly clock: { readonly before: number; readonly database: number; readonly after: number };
}

export async function readServerFacts(client: pg.Client, now: () => number): Promise<ServerFacts> {
  const state = await readServerState(client);
  const { rows } = await client.query(`
    SELECT current_setting('server_encoding') AS encoding,
      current_setting('synchronous_commit') AS "synchronousCommit",
      current_setting('max_connections')::integer AS "maxConnections",
      current_setting('superuser_reserved_connections')::integer AS "reservedConnections",
      current_user AS role, current_schema() AS schema,
      has_schema_privilege(current_schema(), 'CREATE') AS "mayCreateTables",
      (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8
       FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND backend_type = 'client backend') AS "oldestTransactionSeconds"`);
  const before = now();
  const { rows: clocks } = await client.query<{ database: number }>(
    "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS database",
  );
  const after = now();
  const { database } = clocks[0] as { database: number };
  return { ...state, ...rows[0], clock: { before, database, after } };
}

export interface TableFacts {
  readonly name: string;
  readonly liveRows: number;
  readonly deadRows: number;
  /** Undefined or null: never since the statistics began. */
  readonly lastVacuum: Date | null;
  /** Those of SELECT, INSERT, UPDATE and DELETE that the role has not. */
  readonly missingRights: readonly string[];
}

/** Of the tables that exist. */
export async function readTableFacts(client: pg.Client): Promise<readonly TableFacts[]> {
  const { rows } = await client.query<TableFacts>(
    `SELECT relname AS name, n_live_tup::float8 AS "liveRows", n_dead_tup::float8 AS "deadRows",
       greatest(last_vacuum, last_autovacuum) AS "lastVacuum",
       array(SELECT "right" FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS "right"
             WHERE NOT has_table_privilege(relid, "right")) AS "missingRights"
     FROM pg_stat_user_tables
     WHERE schemaname = current_schema() AND relname = ANY ($1)
     ORDER BY relname`,
    [["sessions", "signing_keys", "token_keys", "audit_events"]],
  );
  return rows;
}

export interface ContentFacts {
  /** Tenants that have sessions and no active signing key, up to a number of them. */
  readonly tenantsWithoutKey: readonly string[];
  /** When the oldest active signing key was made. */
  readonly oldestActiveKeyAt: Date | null;
  /** The earliest absolute deadline of a session. */
  readonly earliestDeadline: Date | null;
}

/** Only with a schema that is up to date. Each of its parts takes an index, whatever the size of the tables. */
export async function readContentFacts(client: pg.Client): Promise<ContentFacts> {
  const { rows } = await client.query<ContentFacts>(`
    WITH RECURSIVE tenants AS (
      (SELECT tenant_id FROM sessions ORDER BY tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT tenant_id FROM sessions WHERE tenant_id > tenants.tenant_id
              ORDER BY tenant_id LIMIT 1)
      FROM tenants WHERE tenants.tenant_id IS NOT NULL
    )
    SELECT array(
        SELECT tenant_id FROM (SELECT tenant_id FROM tenants LIMIT 10000) AS some_tenants
        WHERE tenant_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM signing_keys WHERE signing_keys.tenant_id = some_tenants.tenant_id
            AND retired_at IS NULL)
        LIMIT 20) AS "tenantsWithoutKey",
      (SELECT min(created_at) FROM signing_keys WHERE retired_at IS NULL) AS "oldestActiveKeyAt",
      (SELECT min(absolute_expires_at) FROM sessions) AS "earliestDeadline"`);
  return rows[0] as ContentFacts;
}

/** A signing key or a token key as it is stored. */
export interface StoredKeyFacts {
  readonly context: WrapContext;
  readonly encrypted: EncryptedKey;
}

/** Up to so many signing keys, the active ones first. */
export async function readStoredSigningKeys(
  client: pg.Client,
  limit: number,
): Promise<readonly StoredKeyFacts[]> {
  const { rows } = await client.query(
    `SELECT id, tenant_id, encrypted_key, key_encryption_key_id
     FROM signing_keys ORDER BY retired_at IS NOT NULL, id LIMIT $1`,
    [limit],
  );
  return rows.map((row) => storedKeyOf(row, { id: row.id, tenantId: row.tenant_id }));
}

/** Up to so many of the token keys that are published, the one without an end first. */
export async function readStoredTokenKeys(
  client: pg.Client,
  limit: number,
): Promise<readonly StoredKeyFacts[]> {
  const { rows } = await client.query(
    `SELECT id, encrypted_key, key_encryption_key_id
     FROM token_keys WHERE published_until IS NULL OR published_until > now()
     ORDER BY published_until IS NOT NULL, id LIMIT $1`,
    [limit],
  );
  return rows.map((row) => storedKeyOf(row, tokenKeyContext(row)));
}

interface EncryptedRow {
  readonly encrypted_key: Buffer;
  readonly key_encryption_key_id: string;
}

function storedKeyOf(row: EncryptedRow, context: WrapContext): StoredKeyFacts {
  const { encrypted_key: ciphertext, key_encryption_key_id: keyEncryptionKeyId } = row;
  return { context, encrypted: { ciphertext, keyEncryptionKeyId } };
}

/** What is between sessiond and PostgreSQL. */
export interface PoolerFacts {
  /** A pooler gives out process ids that are not those of its servers. */
  readonly hasPooler: boolean;
  /** A connection has not the same server for all its transactions. */
  readonly sharesServers: boolean;
  /** A prepared statement is there on whichever server a transaction gets. */
  readonly keepsPreparedStatements: boolean;
}

/** Uses a second connection to take the first one's server away between its transactions. */
export async function readPoolerFacts(
  { client, url }: Diagnosis,
  connectTimeoutMs: number,
): Promise<PoolerFacts> {
  const pidOf = async (one: pg.Client): Promise<number> => {
    const { rows } = await one.query("SELECT pg_backend_pid() AS pid");
    return rows[0].pid;
  };
  const { processID } = client as pg.Client & { readonly processID: number };
  const pid = await pidOf(client);
  const direct = { hasPooler: false, sharesServers: false, keepsPreparedStatements: true };
  if (pid === processID) return direct;

  // The server may outlive this connection, and so may its statement.
  const prepared = { name: `sessiond_doctor_${randomUUID()}`, text: "SELECT 1" };
  await client.query(prepared);
  const other = await connectTo(url, connectTimeoutMs);
  try {
    await other.query("BEGIN");
    const sharesServers = (await pidOf(other)) === pid;
    const isKept = await client.query(prepared).then(
      () => true,
      () => false,
    );
    await other.query("ROLLBACK");
    await client.query(`DEALLOCATE "${prepared.name}"`).catch(() => {});
    return { hasPooler: true, sharesServers, keepsPreparedStatements: isKept };
  } finally {
    await other.end();
  }
}
