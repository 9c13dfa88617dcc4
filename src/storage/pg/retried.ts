import { PreparedStatementLost, RETRYABLE, StorageFault, storageUnavailable } from "./errors.ts";

const MAX_ATTEMPTS = 3;

/**
 * Retries what was rolled back because of a conflict with another transaction, or because a prepared
 * statement was lost. The latter does not count as an attempt. It does not happen a second time, since
 * the retry prepares nothing.
 */
export async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof PreparedStatementLost) {
        attempts -= 1;
        continue;
      }
      const retryable = error instanceof StorageFault && RETRYABLE.includes(error.code);
      if (!retryable) throw error;
      if (attempts === MAX_ATTEMPTS) throw storageUnavailable(error);
    }
  }
}
