import type { Logger } from "pino";
import type { Config } from "./config/config.ts";
import { certificateExpiry } from "./files/certificate-expiry.ts";
import { type FileWatch, watchFiles } from "./files/watch-file.ts";
import type { Server } from "./server/server.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type Tls = NonNullable<Config["server"]["tls"]>;
type Part = keyof Tls["files"];

export interface TlsFiles extends FileWatch {
  /** From now on, logs a warning before the certificate expires, once a day. */
  warnOfExpiry(): void;
  /** When the chain in force is no longer valid, in milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** Gives the server its certificate, key and client CA again when their files change. */
export async function watchTls(
  tls: Tls,
  server: Pick<Server, "setTlsCredentials">,
  log: Pick<Logger, "info" | "warn" | "error">,
): Promise<TlsFiles> {
  const { files, clientCertificate: _, ...configured } = tls;
  let { certificate } = configured;
  let expiry: ReturnType<typeof warnBeforeExpiry> | undefined;
  const fromFiles = Object.entries(files).filter(([, file]) => file !== undefined);
  const paths = Object.fromEntries(fromFiles.map(([part, file]) => [part, file?.path]));
  const initial = Object.fromEntries(fromFiles.map(([part, file]) => [part, file?.content]));

  const watch = await watchFiles(
    paths as Record<Part, string>,
    (contents) => {
      const credentials = { ...configured, ...contents };
      // First: what cannot be read must not be in force.
      const { subject, expiresAt } = certificateExpiry(credentials.certificate, Date.now());
      server.setTlsCredentials(credentials);
      log.info({ subject, expiresAt }, "TLS files read again: they are in force");
      certificate = credentials.certificate;
      expiry?.use(certificate);
    },
    {
      initial: initial as Record<Part, string>,
      onError: (error) =>
        log.error({ err: error }, "TLS files cannot be used: the last usable ones stay in force"),
    },
  );
  return {
    get expiresAt() {
      return certificateExpiry(certificate, 0).expiresAt.getTime();
    },
    check: () => watch.check(),
    warnOfExpiry() {
      expiry ??= warnBeforeExpiry(certificate, log);
    },
    async [Symbol.asyncDispose]() {
      expiry?.stop();
      await watch[Symbol.asyncDispose]();
    },
  };
}

/** Logs a warning when the certificate is about to expire or has expired, and again once a day. */
export function warnBeforeExpiry(certificate: string, log: Pick<Logger, "warn">) {
  let current = certificate;
  let warnedAt = Number.NEGATIVE_INFINITY;

  function look(): void {
    const now = Date.now();
    const { state, ...details } = certificateExpiry(current, now);
    if (state === "valid" || now - warnedAt < DAY_MS) return;
    warnedAt = now;
    const what = state === "expired" ? "has expired: clients refuse it" : "expires soon: renew it";
    log.warn(details, `the TLS certificate ${what}`);
  }

  look();
  const timer = setInterval(look, HOUR_MS).unref();
  return {
    /** Another certificate is in force. */
    use(next: string): void {
      current = next;
      warnedAt = Number.NEGATIVE_INFINITY;
      look();
    },
    stop: () => clearInterval(timer),
  };
}
