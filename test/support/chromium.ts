import { type Browser, chromium } from "playwright-core";
import { findProgram } from "./programs.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const executable = NAMES.map((name) => findProgram(name)).find((path) => path !== undefined);

export const hasChromium = executable !== undefined;

/** They keep a headless Chromium from looking for its maker's servers, and from using a GPU. */
export const CHROMIUM_FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Starts a headless Chromium in which every host of example.test is this machine.
 *
 * @throws Error if none is installed
 */
export async function launchBrowser(): Promise<Browser> {
  if (executable === undefined) {
    throw new Error(`no browser is installed: none of ${NAMES.join(", ")} is on PATH`);
  }
  return chromium.launch({
    executablePath: executable,
    // Playwright switches the back/forward cache off; users have it.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    args: [...CHROMIUM_FLAGS, "--host-resolver-rules=MAP *.example.test 127.0.0.1"],
  });
}
