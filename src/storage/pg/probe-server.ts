import pg from "pg";
import type { CancellableClient } from "./cancel-request.ts";
import { translateDriverError } from "./errors.ts";

/**
 * Runs a statement on a connection of its own, to see whether the server answers.
 *
 * @throws {SessionError} STORAGE_UNAVAILABLE, also when the signal fires during the attempt
 */
export async function probeServer(
  config: pg.PoolConfig,
  statement: string,
  onAnswer: () => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { Client = pg.Client } = config;
  const client = new Client(config) as pg.Client & CancellableClient;
  // Without a listener, a connection that breaks would end the process. The probe fails anyway.
  client.on("error", () => {});
  const close = () => client.connection.stream.destroy();
  signal.addEventListener("abort", close, { once: true });
  try {
    await client.connect();
    await client.query(statement);
    onAnswer();
    await client.end();
  } catch (error) {
    close();
    throw translateDriverError(error);
  } finally {
    signal.removeEventListener("abort", close);
  }
}
