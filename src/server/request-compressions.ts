import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";

/** The message of Connect's error for compressed bytes that are damaged. */
export const decompressionFailed = "decompression failed";

/** The code of zlib's error for bytes that end too early. */
const TRUNCATED = "Z_BUF_ERROR";

/**
 * The compressions that requests may use. Connect reports bytes that end too early as INTERNAL, the
 * code for defects of the server. Here they are INVALID_ARGUMENT, like any other damage.
 */
export const requestCompressions: readonly Compression[] = [compressionGzip, compressionBrotli].map(
  (compression) => ({
    ...compression,
    decompress: (bytes, readMaxBytes) =>
      compression.decompress(bytes, readMaxBytes).catch(blameTruncated),
  }),
);

function blameTruncated(error: unknown): never {
  const cause = error instanceof ConnectError ? error.cause : undefined;
  if ((cause as NodeJS.ErrnoException | undefined)?.code !== TRUNCATED) throw error;
  throw new ConnectError(decompressionFailed, Code.InvalidArgument, undefined, undefined, cause);
}
