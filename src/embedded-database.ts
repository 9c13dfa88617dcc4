import {
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  type ErrorKind,
  startEmbeddedPostgres,
} from "../packages/embedded-postgres/index.ts";
import {
  keyEncryptionKeyPath,
  readKeyEncryptionKeyFile,
  writeKeyEncryptionKeyFile,
} from "./key-encryption-key-file.ts";
import type { RandomBytes } from "./session/ids.ts";
import type { SigningKeyStore } from "./session/signing-key-store.ts";

/** What helps, by the kind of the trouble. Some messages of the package say it themselves. */
const ADVICE: Partial<Record<ErrorKind, string>> = {
  platform:
    "install sessiond with its optional dependencies (npm install --include=optional), " +
    "or set SESSIOND_DATABASE_URL to a PostgreSQL server",
  directory:
    "set SESSIOND_DATA_DIR to a directory of sessiond's own that every user may enter, such as " +
    "/var/lib/sessiond, or run sessiond as the user that the directory belongs to",
  "in-use":
    "stop that process, or set SESSIOND_DATA_DIR to another directory; to run several processes " +
    "on the same data, set SESSIOND_DATABASE_URL to a PostgreSQL server that they share",
  version:
    "install the version of embedded-postgres that made it, dump the data and restore it into " +
    "another SESSIOND_DATA_DIR",
};

/**
 * Starts the embedded PostgreSQL, whose URL is for sessiond alone.
 *
 * @throws Error whose message also says which setting helps
 */
export async function startEmbeddedDatabase(
  dataDirectory: string,
  log: (line: string) => void,
): Promise<EmbeddedPostgres> {
  try {
    return await startEmbeddedPostgres({
      dataDirectory,
      name: "sessiond",
      log,
    });
  } catch (error) {
    throw withAdvice(error);
  }
}

/** The error with what a user of sessiond can do about it, if there is something. */
export function withAdvice(error: unknown): unknown {
  if (!(error instanceof EmbeddedPostgresError)) return error;
  const advice = ADVICE[error.kind];
  return advice === undefined ? error : new Error(`${error.message}: ${advice}`, { cause: error });
}

export interface EmbeddedKeyOptions {
  /** In SESSIOND_KEY_ENCRYPTION_KEYS. */
  readonly configured: readonly Buffer[];
  readonly dataDirectory: string;
  readonly signingKeys: SigningKeyStore;
  readonly random: RandomBytes;
  /** Whether local keys encrypt. If not, none is created. */
  readonly isKeyNeeded: boolean;
}

/**
 * The configured key-encryption keys and the one that is kept beside the embedded data. The latter
 * is created if no key exists. After other keys are configured, it is still used to decrypt.
 */
export async function embeddedKeyEncryptionKeys({
  configured,
  dataDirectory,
  signingKeys,
  random,
  isKeyNeeded,
}: EmbeddedKeyOptions): Promise<readonly Buffer[]> {
  const kept = await readKeyEncryptionKeyFile(dataDirectory);
  const keys = kept ? [...configured, kept] : configured;
  if (keys.length > 0 || !isKeyNeeded) return keys;
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
