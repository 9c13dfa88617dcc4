import type { Logger } from "pino";
import { throttledReport } from "./throttled-report.ts";

const INTERVAL_MS = 10_000;

interface RefusedConnection {
  readonly limit: "maxConnections" | "maxConnectionsPerPeer";
  readonly open: number;
  readonly peer: string;
}

interface AbusedConnection {
  readonly reason: string;
  readonly peer: string;
}

/**
 * Logs connections that are refused, or ended for abuse. Anyone can cause a flood of them, so of each kind there is a line at
 * once, and then at most one every ten seconds, with how many there were and the latest one.
 */
export class RefusalLog implements Disposable {
  readonly #log: Logger;
  /** By limit, so that a peer which keeps reaching its own does not hide that all are taken. */
  readonly #connections = {
    maxConnections: throttledReport<RefusedConnection>(INTERVAL_MS, (count, { open }) => {
      const message = "connections are refused: as many are open as SESSIOND_MAX_CONNECTIONS";
      this.#log.warn({ count, open }, message);
    }),
    maxConnectionsPerPeer: throttledReport<RefusedConnection>(INTERVAL_MS, (count, latest) => {
      const message =
        "connections are refused: as many are open from one peer as SESSIOND_MAX_CONNECTIONS_PER_PEER";
      this.#log.warn({ count, open: latest.open, peer: latest.peer }, message);
    }),
  };
  readonly #abuse = throttledReport<AbusedConnection>(INTERVAL_MS, (count, { reason, peer }) => {
    const message =
      "HTTP/2 connections are ended with ENHANCE_YOUR_CALM: their clients exceed a limit against floods";
    this.#log.warn({ count, reason, peer }, message);
  });
  readonly #certificates = throttledReport<{ reason: string; peer: string | undefined }>(
    INTERVAL_MS,
    (count, { reason, peer }) => {
      const message = "a client certificate is refused: see SESSIOND_TLS_CLIENT_CA";
      this.#log.warn({ count, reason, peer }, message);
    },
  );

  constructor(log: Logger) {
    this.#log = log;
  }

  connectionRefused(refusal: RefusedConnection): void {
    this.#connections[refusal.limit].notify(refusal);
  }

  connectionAbused(abuse: AbusedConnection): void {
    this.#abuse.notify(abuse);
  }

  /** @param reason of OpenSSL, such as CERT_HAS_EXPIRED */
  certificateRefused(reason: string, peer: string | undefined): void {
    this.#certificates.notify({ reason, peer });
  }

  /** Logs what has not been logged yet, and nothing more. */
  [Symbol.dispose](): void {
    const reports = [...Object.values(this.#connections), this.#abuse, this.#certificates];
    for (const report of reports) report.stop();
  }
}
