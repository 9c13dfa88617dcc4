import type { Logger } from "pino";
import { watchLauncher } from "./launcher.ts";

/**
 * A second signal within this time is a duplicate of the first: Ctrl-C reaches npm and its child
 * alike, and npm forwards it to the child once more.
 */
const DUPLICATE_MS = 1000;

/**
 * Handles the signals that end the process.
 *
 * SIGTERM, SIGINT, SIGHUP (the terminal was closed), and the end of the npm that started the process
 * have the same effect. A further SIGTERM or SIGINT ends the process at once. SIGHUP does not: whoever
 * closes the terminal does not mean to skip the shutdown.
 *
 * @param exit ends the process with a code
 * @returns a signal that fires when the process is to stop
 */
export function stopSignal(
  log: Pick<Logger, "info" | "warn">,
  exit: (code: number) => void,
): AbortSignal {
  const stopping = new AbortController();
  let stoppingSince = 0;
  const stop = (reason: Readonly<Record<string, string>>) => {
    if (stopping.signal.aborted) return;
    stoppingSince = performance.now();
    log.info(reason, "stopping");
    stopping.abort();
  };

  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted && performance.now() - stoppingSince > DUPLICATE_MS) {
        log.warn({ signal: name }, "not waiting any longer");
        exit(1);
      }
      stop({ signal: name });
    });
  }
  process.on("SIGHUP", () => stop({ signal: "SIGHUP" }));
  watchLauncher(process.env, () => stop({ cause: "the npm process that started sessiond ended" }));
  return stopping.signal;
}
