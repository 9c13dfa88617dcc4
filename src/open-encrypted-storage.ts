import type { Logger } from "pino";
import type { EmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import type { Config } from "./config/config.ts";
import { embeddedKeyEncryptionKeys, startEmbeddedDatabase } from "./embedded-database.ts";
import type { RandomBytes } from "./session/ids.ts";
import { KeyEncryption } from "./session/key-encryption.ts";
import { LocalKeyWrapper } from "./session/local-key-wrapper.ts";
import { openStorage, type Storage } from "./storage/storage.ts";
import { openVault } from "./vault/open-vault.ts";

export interface OpenEncryptedStorageOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly random: RandomBytes;
  readonly signal: AbortSignal | undefined;
}

export interface EncryptedStorage {
  /** Undefined with an external database. */
  readonly embedded: EmbeddedPostgres | undefined;
  readonly storage: Storage;
  readonly encryption: KeyEncryption;
}

/**
 * Opens the database, which may have to be started, and the encryption of its signing keys, which may
 * be Vault's.
 *
 * @param stack closes what is opened here
 */
export async function openEncryptedStorage(
  { config, log, random, signal }: OpenEncryptedStorageOptions,
  stack: AsyncDisposableStack,
): Promise<EncryptedStorage> {
  const { keyEncryption } = config;
  // First: without it, nothing else needs to be started.
  const vault = keyEncryption.vault && (await openVault(keyEncryption.vault, log, signal, stack));

  const { url, dataDirectory } = config.database;
  const logLine = (line: string) => log.debug({ postgres: line });
  const embedded =
    url === undefined ? await startEmbeddedDatabase(dataDirectory, logLine) : undefined;
  if (embedded !== undefined) stack.defer(() => embedded.stop());
  signal?.throwIfAborted();

  const storage = await openStorage({
    ...config.database,
    url: embedded?.url ?? (url as string),
    auditQueueLimit: config.audit.queueLimit,
    log,
    signal,
  });
  stack.defer(() => storage.close());

  const { localKeys: configured, provider } = keyEncryption;
  const localKeys = embedded
    ? await embeddedKeyEncryptionKeys({
        configured,
        dataDirectory: embedded.dataDirectory,
        signingKeys: storage.signingKeys,
        random,
        isKeyNeeded: provider === "local",
      })
    : configured;
  const local = localKeys.length > 0 ? new LocalKeyWrapper(localKeys, random) : undefined;
  const wrappers = provider === "local" ? [local, vault] : [vault, local];
  const encryption = new KeyEncryption(wrappers.filter((wrapper) => wrapper !== undefined));
  return { embedded, storage, encryption };
}
