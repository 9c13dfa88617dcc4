import { closeSync, openSync } from "node:fs";
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
 * SIGTERM, SIGINT and the end of the npm that started the process have the same effect, and SIGHUP if
 * it means that a terminal was closed; otherwise it means, as for any service, to read files again. A
 * further SIGTERM or SIGINT ends the process at once. SIGHUP does not: whoever closes the terminal
 * does not mean to skip the shutdown.
 *
 * @param exit ends the process with a code
 * @param readFiles reads the files again that may change; without it, SIGHUP always stops
 * @returns a signal that fires when the process is to stop
 */
export function stopSignal(
  log: Pick<Logger, "info" | "warn">,
  exit: (code: number) => void,
  readFiles?: () => void,
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
  const stopsOnHangup = process.env.npm_lifecycle_event !== undefined || hasTerminal();
  process.on("SIGHUP", () => {
    if (stopsOnHangup || readFiles === undefined) stop({ signal: "SIGHUP" });
    else readFiles();
  });
  watchLauncher(process.env, () => stop({ cause: "the npm process that started sessiond ended" }));
  return stopping.signal;
}

/** Whether a terminal controls this process, even if its input and output are redirected. */
function hasTerminal(): boolean {
  // Windows has no /dev/tty, and sends this signal only when a console is closed.
  if (process.platform === "win32") return true;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
