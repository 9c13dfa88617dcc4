import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

const KEY_BYTES = 32;

export function keyEncryptionKeyPath(dataDirectory: string): string {
  return join(dataDirectory, "key-encryption-key");
}

/** The key-encryption key that is kept beside the embedded data; undefined if there is none. */
export async function readKeyEncryptionKeyFile(dataDirectory: string): Promise<Buffer | undefined> {
  const path = keyEncryptionKeyPath(dataDirectory);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const key = Buffer.from(text.trim(), "base64");
  if (key.length !== KEY_BYTES) {
    throw new Error(`${path} must hold ${KEY_BYTES} bytes in base64; restore it from a backup`);
  }
  return key;
}

/**
 * Keeps a key beside the embedded data, readable by its owner only. It is flushed to disk before use:
 * if a crash lost the key, all signing keys would be lost.
 */
export async function writeKeyEncryptionKeyFile(dataDirectory: string, key: Buffer): Promise<void> {
  const path = keyEncryptionKeyPath(dataDirectory);
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(`${key.toString("base64")}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  // Windows cannot open a directory, and needs no such thing.
  if (process.platform === "win32") return;
  const directory = await open(dataDirectory, "r");
  await directory.sync().finally(() => directory.close());
}
