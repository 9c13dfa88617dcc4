/**
 * What the command line finds out without a running service: about the database and its keys, and how often
 * the schedule sweeps.
 */

import pino from "pino";
import type { Config } from "./config/config.ts";
import { databaseHostUrls } from "./config/database-url.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import { keyEncryptionOf } from "./open-encrypted-storage.ts";
import { secureRandomBytes } from "./session/ids.ts";
import { KeyDecryptionError, tryDecrypt } from "./session/key-encryption.ts";
import {
  type ContentFacts,
  connectForDiagnosis,
  type PoolerFacts,
  readContentFacts,
  readPoolerFacts,
  readServerFacts,
  readStoredSigningKeys,
  readStoredTokenKeys,
  readTableFacts,
  type ServerFacts,
  type StoredKeyFacts,
  type TableFacts,
} from "./storage/diagnosis.ts";
import { type MigrationStatus, readMigrationStatus } from "./storage/schema/migration-status.ts";
import { openVault } from "./vault/open-vault.ts";

export { longestGapMs } from "./jobs/sweep-schedule.ts";
export type { ContentFacts, MigrationStatus, PoolerFacts, ServerFacts, TableFacts };

/**
 * Which migrations are pending. It changes nothing, but may start the embedded PostgreSQL for the time.
 *
 * @throws {Error} if the database cannot be reached, with its address and the cause
 */
export async function readMigrations(
  { database }: Config,
  signal: AbortSignal,
): Promise<MigrationStatus> {
  await using stack = new AsyncDisposableStack();
  let { url } = database;
  if (url === undefined) {
    const embedded = await startEmbeddedDatabase(database.dataDirectory, 1, () => {});
    stack.defer(() => embedded.stop());
    ({ url } = embedded);
  }
  const { client } = await connectForDiagnosis({ ...database, urls: databaseHostUrls(url) });
  stack.defer(() => client.end());
  signal.throwIfAborted();
  return await readMigrationStatus(client);
}

/** What is known of a database. */
export interface DatabaseFacts {
  /** Host and port that were looked at, or the path of a socket: of several hosts, the one that takes writes. */
  readonly address: string;
  readonly server: ServerFacts;
  readonly migrations: MigrationStatus;
  readonly tables: readonly TableFacts[];
  readonly pooler: PoolerFacts;
  /** Undefined unless the schema is up to date. */
  readonly content: ContentFacts | undefined;
  /** Undefined unless the schema is up to date. */
  readonly keys: KeyFacts | undefined;
}

/** Whether keys can be decrypted. */
export interface KeyFacts {
  readonly signingKeys: DecryptionFacts;
  /** Of those that are published. */
  readonly tokenKeys: DecryptionFacts;
  readonly currentKeyEncryptionKeyId: string;
}

/** Whether the keys of one table can be decrypted. */
export interface DecryptionFacts {
  readonly count: number;
  /** Only so many were tried, the active ones first. */
  readonly isCut: boolean;
  /** The messages of those that cannot be decrypted, without key material. */
  readonly undecryptable: readonly string[];
  /** How many are under another key-encryption key than the current one. */
  readonly underOthers: number;
}

const MAX_KEYS = 1000;

/**
 * Looks at a database, its keys and what is in front of it, and changes nothing.
 *
 * @param url of the database
 * @param now this machine's clock, in milliseconds since 1970
 * @throws {Error} if the database or Vault cannot be reached, with its address and the cause
 */
export async function readDatabaseFacts(
  config: Config,
  url: string,
  now: () => number,
  signal: AbortSignal,
): Promise<DatabaseFacts> {
  await using stack = new AsyncDisposableStack();
  const { connectTimeoutMs } = config.database;
  const connection = await connectForDiagnosis({ urls: databaseHostUrls(url), connectTimeoutMs });
  const { client } = connection;
  stack.defer(() => client.end());
  const server = await readServerFacts(client, now);
  const migrations = await readMigrationStatus(client);
  const tables = await readTableFacts(client);
  const pooler = await readPoolerFacts(connection, connectTimeoutMs);
  signal.throwIfAborted();
  const mayRead = tables.every(({ missingRights }) => !missingRights.includes("SELECT"));
  const isReadable = migrations.pending.length === 0 && mayRead;
  return {
    address: connection.address,
    server,
    migrations,
    tables,
    pooler,
    content: isReadable ? await readContentFacts(client) : undefined,
    keys: isReadable ? await readKeyFacts(config, client, signal) : undefined,
  };
}

type Client = Awaited<ReturnType<typeof connectForDiagnosis>>["client"];

async function readKeyFacts(
  { keyEncryption }: Config,
  client: Client,
  signal: AbortSignal,
): Promise<KeyFacts> {
  await using stack = new AsyncDisposableStack();
  const { provider, localKeys, vault: vaultOptions } = keyEncryption;
  const log = pino({ level: "silent" });
  const vault =
    vaultOptions && (await openVault({ ...vaultOptions, startTimeoutMs: 0 }, log, signal, stack));
  const encryption = keyEncryptionOf({ provider, localKeys, vault, random: secureRandomBytes });
  const current = await encryption.currentKeyId(signal);
  const decryptAll = async (stored: readonly StoredKeyFacts[]): Promise<DecryptionFacts> => {
    const keys = stored.slice(0, MAX_KEYS);
    const undecryptable: string[] = [];
    for (const { context, encrypted } of keys) {
      const material = await tryDecrypt(encryption, encrypted, context, signal);
      if (material instanceof KeyDecryptionError) undecryptable.push(material.message);
    }
    return {
      count: keys.length,
      isCut: stored.length > keys.length,
      undecryptable,
      underOthers: keys.filter(({ encrypted }) => encrypted.keyEncryptionKeyId !== current).length,
    };
  };
  return {
    signingKeys: await decryptAll(await readStoredSigningKeys(client, MAX_KEYS + 1)),
    tokenKeys: await decryptAll(await readStoredTokenKeys(client, MAX_KEYS + 1)),
    currentKeyEncryptionKeyId: current,
  };
}
