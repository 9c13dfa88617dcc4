import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { VaultClient, type VaultClientOptions, VaultError } from "./vault-client.ts";
import { VaultTransit, type VaultTransitOptions } from "./vault-transit.ts";

export interface VaultOptions extends VaultClientOptions, VaultTransitOptions {
  /** How long to wait for a Vault that does not answer, is sealed or limits requests; 0 ms: not at all. */
  readonly startTimeoutMs: number;
}

const RETRY_MS = 500;

/**
 * Checks that Vault can be used, and waits for it while it cannot be reached.
 *
 * @param stack closes the connections
 * @throws {VaultError} or the reason of the signal, as soon as it fires
 */
export async function openVault(
  options: VaultOptions,
  log: Logger,
  signal: AbortSignal | undefined,
  stack: DisposableStack | AsyncDisposableStack,
): Promise<VaultTransit> {
  const { address, startTimeoutMs } = options;
  const client = new VaultClient(options);
  stack.defer(() => client.close());
  const transit = new VaultTransit(client, options);
  const start = performance.now();
  for (let isWaiting = false; ; isWaiting = true) {
    try {
      await transit.check(signal);
      const waitedMs = Math.round(performance.now() - start);
      if (isWaiting) log.info({ address, waitedMs }, "Vault is available");
      return transit;
    } catch (error) {
      if (!(error instanceof VaultError) || !error.isTransient || startTimeoutMs === 0) throw error;
      if (performance.now() - start >= startTimeoutMs) {
        const waited = `waited ${startTimeoutMs / 1000} s (see SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT)`;
        throw new VaultError(`${error.message}; ${waited}`, { isTransient: true });
      }
      if (!isWaiting) {
        const reason = error.message;
        log.warn({ address, timeoutMs: startTimeoutMs, reason }, "waiting for Vault");
      }
    }
    // An aborted delay rejects with an AbortError; the caller expects the signal's reason.
    await delay(RETRY_MS, undefined, signal && { signal }).catch(() => {});
    signal?.throwIfAborted();
  }
}
