import {
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  type ErrorKind,
  startEmbeddedPostgres,
} from "../packages/embedded-postgres/index.ts";
import { keyEncryptionKeyPath, writeKeyEncryptionKeyFile } from "./key-encryption-key-file.ts";
import type { RandomBytes, SigningKeyId } from "./session/ids.ts";
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

/** PostgreSQL's default. */
const MIN_CONNECTIONS = 100;
/**
 * Connections besides those of the pool: the lock on the data directory, those that PostgreSQL reserves, those
 * of workers that have just ended, and an administrator's.
 */
const OTHER_CONNECTIONS = 20;

/**
 * Starts the embedded PostgreSQL, whose URL is for sessiond alone. One that was left running keeps its limit
 * of connections.
 *
 * @param poolSize how many connections sessiond may open, with all its workers
 * @throws Error whose message also says which setting helps
 */
export async function startEmbeddedDatabase(
  dataDirectory: string,
  poolSize: number,
  log: (line: string) => void,
): Promise<EmbeddedPostgres> {
  const maxConnections = Math.max(MIN_CONNECTIONS, poolSize + OTHER_CONNECTIONS);
  try {
    return await startEmbeddedPostgres({
      dataDirectory,
      name: "sessiond",
      settings: { max_connections: String(maxConnections) },
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

/**
 * Makes the key-encryption key that is kept beside the embedded data.
 *
 * @throws {Error} if there are signing keys, which another one has encrypted
 */
export async function makeKeyEncryptionKey(
  dataDirectory: string,
  signingKeys: SigningKeyStore,
  random: RandomBytes,
): Promise<Buffer> {
  for await (const { id } of signingKeys.all({ signal: undefined, callingService: "" })) {
    throw lostKeyEncryptionKey(id, dataDirectory);
  }
  const made = random(32);
  await writeKeyEncryptionKeyFile(dataDirectory, made);
  return made;
}

/** The error for a signing key of the embedded data for which there is no key-encryption key at all. */
export function lostKeyEncryptionKey(id: SigningKeyId, dataDirectory: string): Error {
  return new Error(
    `signing key ${id} is encrypted, but the key-encryption key is gone: restore ` +
      `${keyEncryptionKeyPath(dataDirectory)}, or set SESSIOND_KEY_ENCRYPTION_KEYS`,
  );
}
