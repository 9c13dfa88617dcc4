import type { Logger } from "pino";
import { Closeables } from "../closeables.ts";
import type { Config } from "../config/config.ts";
import type { AuditStore } from "../session/audit-store.ts";
import type { RandomBytes } from "../session/ids.ts";
import type { SessionStore } from "../session/session-store.ts";
import type { SigningKeyStore } from "../session/signing-key-store.ts";
import type { SweepStore } from "../session/sweep-store.ts";
import { DenialAuditWriter } from "./audit/denial-audit-writer.ts";
import { PgAuditStore } from "./audit/pg-audit-store.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";
import {
  keyEncryptionKeyPath,
  readKeyEncryptionKeyFile,
  writeKeyEncryptionKeyFile,
} from "./key-encryption-key-file.ts";
import { connect, createDataSource } from "./pg/data-source.ts";
import { Database } from "./pg/database.ts";
import { migrate } from "./schema/migrate.ts";
import { PgSessionStore } from "./sessions/pg-session-store.ts";
import { PgSigningKeyStore } from "./signing-keys/pg-signing-key-store.ts";
import { PgSweepStore } from "./sweep/pg-sweep-store.ts";

/** How long a stop waits for the audit of refusals, which nobody is waiting for. */
const AUDIT_CLOSE_MS = 2000;

export interface Storage {
  readonly sessions: SessionStore;
  readonly signingKeys: SigningKeyStore;
  readonly audit: AuditStore;
  readonly sweep: SweepStore;
  readonly denialAudit: DenialAuditWriter;
  /** Never empty; the first one encrypts. */
  readonly keyEncryptionKeys: readonly Buffer[];
  /** Undefined with an external database. */
  readonly embedded: EmbeddedPostgres | undefined;
  close(): Promise<void>;
}

export interface StorageOptions {
  readonly config: Pick<Config, "database" | "keyEncryptionKeys" | "audit">;
  readonly log: Logger;
  readonly random: RandomBytes;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

/** Connects to the database, starting the embedded one if no other is named, and migrates it. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const closeables = new Closeables();
  try {
    return await open(options, closeables);
  } catch (error) {
    await closeables.close().catch(() => {});
    throw error;
  }
}

async function open(options: StorageOptions, closeables: Closeables): Promise<Storage> {
  const { config, log, signal } = options;
  const embedded =
    config.database.url === undefined
      ? await startEmbeddedPostgres({
          dataDirectory: config.database.dataDirectory,
          log: (line) => log.debug({ postgres: line }),
        })
      : undefined;
  if (embedded !== undefined) closeables.add(() => embedded.stop());
  signal?.throwIfAborted();

  const url = embedded?.url ?? (config.database.url as string);
  const dataSource = createDataSource({
    ...config.database,
    url,
    onPoolError: (error) => log.warn({ err: error }, "an idle database connection broke"),
  });
  await connect(dataSource, url);
  const database = new Database(dataSource, config.database);
  closeables.add(() => database.close());
  const applied = await migrate(dataSource, signal);
  if (applied.length > 0) log.info({ migrations: applied }, "migrations applied");

  const signingKeys = new PgSigningKeyStore(database);
  const audit = new PgAuditStore(database);
  const denialAudit = new DenialAuditWriter(audit, {
    queueLimit: config.audit.queueLimit,
    onLoss: (count, error) => log.warn({ count, err: error }, "audit of refusals lost"),
  });
  closeables.add(() => denialAudit.close(AUDIT_CLOSE_MS));

  return {
    sessions: new PgSessionStore(database),
    signingKeys,
    audit,
    sweep: new PgSweepStore(database),
    denialAudit,
    keyEncryptionKeys: embedded
      ? await embeddedKeyEncryptionKeys(options, embedded.dataDirectory, signingKeys)
      : config.keyEncryptionKeys,
    embedded,
    close: () => closeables.close(),
  };
}

/**
 * The configured keys and the one that is kept beside the data. The latter is made when there is
 * no other, and goes on decrypting when others have been configured.
 */
async function embeddedKeyEncryptionKeys(
  { config, random }: StorageOptions,
  dataDirectory: string,
  signingKeys: SigningKeyStore,
): Promise<readonly Buffer[]> {
  const kept = await readKeyEncryptionKeyFile(dataDirectory);
  const keys = kept ? [...config.keyEncryptionKeys, kept] : config.keyEncryptionKeys;
  if (keys.length > 0) return keys;
  for await (const { id } of signingKeys.all({ signal: undefined, callingService: "" })) {
    throw new Error(
      `signing key ${id} is encrypted, but the key-encryption key is gone: restore ` +
        `${keyEncryptionKeyPath(dataDirectory)}, or set SESSIOND_KEY_ENCRYPTION_KEYS`,
    );
  }
  const made = random(32);
  await writeKeyEncryptionKeyFile(dataDirectory, made);
  return [made];
}
