import type { Logger } from "pino";

/**
 * Makes a function that switches the log between its present level and debug, and back. Each switch is
 * logged, whatever the level is.
 */
export function createLevelSwitch(log: Logger): () => void {
  const configured = log.level;
  const alwaysDebug = log.isLevelEnabled("debug");

  return function switchLevel() {
    if (alwaysDebug) {
      log.info({ logLevel: configured }, "the log level stays: it includes debug");
    } else if (log.level === configured) {
      log.level = "debug";
      log.info({ logLevel: "debug" }, "log level switched: every call is logged");
    } else {
      log.info({ logLevel: configured }, "log level switched back");
      log.level = configured;
    }
  };
}
