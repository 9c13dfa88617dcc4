import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { hasChromium, launchBrowser } from "./chromium.ts";

/** Skips the suite where no Chromium is installed, unless REQUIRE_BROWSER=1: then it fails. */
export const describeWithBrowser =
  hasChromium || process.env.REQUIRE_BROWSER === "1" ? describe : describe.skip;

/** A failed navigation is in the console, too; tests look at the page that it shows. */
const FAILED_RESOURCE = /^Failed to load resource: the server responded with a status of \d+/;

export interface Browsers {
  /** Opens a page in a context of its own: nothing is shared with any other. */
  newPage(options?: BrowserContextOptions): Promise<Page>;
  /**
   * Returns and forgets the errors that the console of the test's pages has had so far, such as
   * violations of the content security policy.
   */
  takeProblems(): string[];
}

/** A browser for the suite. The pages of a test are closed after it. */
export function useBrowser(): Browsers {
  let browser: Browser;
  const problems: string[] = [];

  before(async () => {
    browser = await launchBrowser();
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  after(() => browser?.close());

  return {
    takeProblems: () => problems.splice(0),
    async newPage(options = {}) {
      const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
      // Only ends a test that would hang.
      context.setDefaultTimeout(60_000);
      context.on("console", (message) => {
        if (message.type() === "error" && !FAILED_RESOURCE.test(message.text())) {
          problems.push(message.text());
        }
      });
      context.on("weberror", (error) => problems.push(error.error().message));
      return context.newPage();
    },
  };
}
