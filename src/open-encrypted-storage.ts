import type { Logger } from "pino";
import type { EmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import type { Config } from "./config/config.ts";
import { databaseHostUrls } from "./config/database-url.ts";
import {
  lostKeyEncryptionKey,
  makeKeyEncryptionKey,
  startEmbeddedDatabase,
} from "./embedded-database.ts";
import { readKeyEncryptionKeyFile } from "./key-encryption-key-file.ts";
import type { RandomBytes } from "./session/ids.ts";
import { KeyEncryption } from "./session/key-encryption.ts";
import type { KeyWrapper } from "./session/key-wrapper.ts";
import { LocalKeyWrapper } from "./session/local-key-wrapper.ts";
import type { StatementTracer } from "./storage/pg/statement-tracer.ts";
import { openStorage, type Storage } from "./storage/storage.ts";
import { openVault } from "./vault/open-vault.ts";

export interface OpenEncryptedStorageOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly random: RandomBytes;
  readonly signal: AbortSignal | undefined;
  /** The embedded PostgreSQL that another process has started. Without it, it is started if it is needed. */
  readonly running?: EmbeddedDatabase | undefined;
  /** As in DatabaseOptions. */
  readonly onBatch?: ((name: string, size: number) => void) | undefined;
  /** As in DatabaseOptions. */
  readonly tracer?: StatementTracer | undefined;
  /** Called with the names of the migrations that were applied, if there were any. */
  readonly onMigrated?: (names: readonly string[]) => void;
}

/** What is used of the embedded PostgreSQL. */
export type EmbeddedDatabase = Pick<EmbeddedPostgres, "url" | "dataDirectory">;

export interface EncryptedStorage {
  /** Undefined with an external database, or one that another process has started. */
  readonly embedded: EmbeddedPostgres | undefined;
  readonly storage: Storage;
  readonly encryption: KeyEncryption;
}

/**
 * Opens the database, which may have to be started, and the encryption of its signing keys, which may
 * be Vault's. It upgrades no database whose signing keys are under another key-encryption key.
 *
 * @param stack closes what is opened here
 */
export async function openEncryptedStorage(
  {
    config,
    log,
    random,
    signal,
    running,
    onBatch,
    tracer,
    onMigrated,
  }: OpenEncryptedStorageOptions,
  stack: AsyncDisposableStack,
): Promise<EncryptedStorage> {
  const { keyEncryption } = config;
  // First: without it, nothing else needs to be started.
  const vault = keyEncryption.vault && (await openVault(keyEncryption.vault, log, signal, stack));

  const { url, dataDirectory, poolSize } = config.database;
  const logLine = (line: string) => log.debug({ postgres: line });
  const embedded =
    url === undefined && running === undefined
      ? await startEmbeddedDatabase(dataDirectory, poolSize, logLine)
      : undefined;
  if (embedded !== undefined) stack.defer(() => embedded.stop());
  signal?.throwIfAborted();
  const own = embedded ?? running;

  const { localKeys, provider } = keyEncryption;
  // After other keys are configured, the one beside the embedded data is still used to decrypt.
  const directory = own?.dataDirectory ?? dataDirectory;
  const kept = own && (await readKeyEncryptionKeyFile(directory));
  const known = kept === undefined ? localKeys : [...localKeys, kept];
  const encryptionWith = (keys: readonly Buffer[]) =>
    keyEncryptionOf({ provider, localKeys: keys, vault, random });
  const isKeyMissing = own !== undefined && provider === "local" && known.length === 0;
  const configured = isKeyMissing ? undefined : encryptionWith(known);

  const storage = await openStorage({
    ...config.database,
    urls: databaseHostUrls(own?.url ?? (url as string)),
    auditQueueLimit: config.audit.queueLimit,
    ...(onBatch && { onBatch }),
    log,
    signal,
    tracer,
    ...(onMigrated && { onMigrated }),
    beforeUpgrade({ id, tenantId, keyEncryptionKeyId }) {
      if (configured === undefined) throw lostKeyEncryptionKey(id, directory);
      configured.assertConfigured(keyEncryptionKeyId, { id, tenantId });
    },
  });
  stack.defer(() => storage.close());

  const encryption =
    configured ??
    encryptionWith([await makeKeyEncryptionKey(directory, storage.signingKeys, random)]);
  return { embedded, storage, encryption };
}

export interface KeyEncryptionParts {
  readonly provider: Config["keyEncryption"]["provider"];
  /** The first one encrypts. */
  readonly localKeys: readonly Buffer[];
  readonly vault: KeyWrapper | undefined;
  readonly random: RandomBytes;
}

/** What encrypts signing keys: the provider. All of the parts decrypt. */
export function keyEncryptionOf(parts: KeyEncryptionParts): KeyEncryption {
  const { provider, localKeys, vault, random } = parts;
  const local = localKeys.length > 0 ? new LocalKeyWrapper(localKeys, random) : undefined;
  const wrappers = provider === "local" ? [local, vault] : [vault, local];
  return new KeyEncryption(wrappers.filter((wrapper) => wrapper !== undefined));
}
