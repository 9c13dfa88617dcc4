import { expect } from "chai";
import type { Page } from "playwright-core";
import { idle, setAbsolute } from "../support/back-dating.ts";
import { describeWithBrowser, useBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { fillInLogin, logIn, type Site, useSites } from "../support/web-login.ts";

const IDLE_TIMEOUT = 30 * 60;

describeWithBrowser("examples/web-login: expiry in a browser", () => {
  const browser = useBrowser();
  const sites = useSites(browser);

  const heading = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 });
  const warning = (page: Page) => page.getByRole("complementary", { name: "Your session" });
  const stay = (page: Page) => page.getByRole("button", { name: "Stay logged in" });

  /** Logs in on a page whose clock the test moves. The server has its own. */
  async function loggedIn(site: Site): Promise<{ page: Page; sessionId: string }> {
    const page = await browser.newPage();
    await page.clock.install();
    await logIn(page, site.url);
    const [session] = await site.sessionsOf("alice");
    return { page, sessionId: session?.id ?? "" };
  }

  async function lastSeen(site: Site): Promise<bigint> {
    const [session] = await site.sessionsOf("alice");
    return session?.lastSeenAt?.seconds ?? 0n;
  }

  /** As long as the page waits before it asks at the latest. */
  const letItAsk = (page: Page) => page.clock.fastForward(60_000);

  async function shownSeconds(page: Page): Promise<number> {
    const [, minutes, seconds] = /in (\d+):(\d\d)\./.exec(await warning(page).innerText()) ?? [];
    return Number(minutes) * 60 + Number(seconds);
  }

  it("warns before the idle deadline, counts down, and stays if asked to", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    await page.getByLabel("Name that others see").fill("not yet saved");
    expect(await warning(page).isVisible()).to.equal(false);

    await idle(site, sessionId, IDLE_TIMEOUT - 120);
    const before = await lastSeen(site);
    await letItAsk(page);
    await warning(page).waitFor();
    const shown = await shownSeconds(page);
    expect(shown).to.be.within(1, 120);
    const announcement = page.locator("#expiry-announcement");
    expect(await announcement.textContent()).to.equal("You will be logged out in 2 minutes.");
    await page.clock.fastForward(5000);
    expect(await shownSeconds(page)).to.be.at.most(shown - 5);

    // The page has asked, and that was no activity.
    const asked = page.waitForResponse((response) => response.url().endsWith("/session/status"));
    await page.clock.fastForward(10_000);
    await asked;
    expect(await lastSeen(site)).to.equal(before);

    await stay(page).click();
    await warning(page).waitFor({ state: "hidden" });
    expect(await lastSeen(site)).to.satisfy((after: bigint) => after > before);
    expect(await announcement.textContent()).to.equal("You stay logged in.");
    expect(await page.getByLabel("Name that others see").inputValue()).to.equal("not yet saved");
    await letItAsk(page);
    expect(await warning(page).isVisible()).to.equal(false);
  });

  it("takes the warning back if the user was active in another tab", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    await idle(site, sessionId, IDLE_TIMEOUT - 120);
    await letItAsk(page);
    await warning(page).waitFor();
    const other = await page.context().newPage();
    await other.goto(site.url);
    await letItAsk(page);
    await warning(page).waitFor({ state: "hidden" });
  });

  it("warns before the absolute deadline, and does not offer to stay", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    await setAbsolute(site, sessionId, 600);
    await page.reload();
    await warning(page).getByText("Every session ends after a fixed time.").waitFor();
    expect(await stay(page).isVisible()).to.equal(false);
    await page.getByText("You have not done anything").waitFor({ state: "hidden" });
  });

  it("warns and stays without a script", async () => {
    const site = await sites.start({
      env: { SESSIOND_IDLE_TIMEOUT: "30m", SESSIOND_IDLE_WARNING: "1799s" },
    });
    const page = await browser.newPage({ javaScriptEnabled: false });
    await logIn(page, site.url);
    await page.goto(`${site.url}/sessions`);
    await until("a second has passed", async () => {
      await page.reload();
      return warning(page).isVisible();
    });
    expect(await warning(page).innerText()).to.contain("in 29 minutes.");
    await stay(page).click();
    await heading(page, "Your sessions").waitFor();
  });

  it("hides the page when the session has ended, and comes back to it after a login", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    await page.goto(`${site.url}/sessions?done=others`);
    await idle(site, sessionId, IDLE_TIMEOUT + 1);
    await letItAsk(page);
    await heading(page, "You have been logged out").waitFor();
    expect(await page.locator("body").innerText()).not.to.contain("Your sessions");
    expect(await page.getByRole("button").count()).to.equal(0);
    // Asking has stopped, and a click on the link is all that is left.
    await page.getByRole("link", { name: "Log in again" }).click();
    await fillInLogin(page);
    await heading(page, "Your sessions").waitFor();
    expect(page.url()).to.equal(`${site.url}/sessions?done=others`);
  });

  it("hides the page when another device ends the session", async () => {
    const site = await sites.start();
    const { page } = await loggedIn(site);
    const other = await browser.newPage();
    await logIn(other, site.url);
    await other.goto(`${site.url}/sessions`);
    await other.getByRole("button", { name: "Log out all other devices" }).click();
    await other.getByText("on this device only").waitFor();
    await letItAsk(page);
    await heading(page, "You have been logged out").waitFor();
    expect(await page.locator("body").innerText()).not.to.contain("Alice");
  });

  it("keeps the page in an outage, which is no logout", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    await idle(site, sessionId, IDLE_TIMEOUT - 120);
    await letItAsk(page);
    await warning(page).waitFor();
    site.databaseProxy.refuse();
    await stay(page).click();
    const problem = warning(page).getByText("That did not work.");
    await problem.waitFor();
    // The countdown goes on and leaves it there.
    await page.clock.runFor(3000);
    expect(await problem.isVisible()).to.equal(true);
    expect(await heading(page, "Hello, Alice Archer").isVisible()).to.equal(true);
    site.databaseProxy.restore();
    await stay(page).click();
    await warning(page).waitFor({ state: "hidden" });
  });

  it("says why a login is needed, and comes back to the page of the link", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    await idle(site, sessionId, IDLE_TIMEOUT + 1);
    await page.getByRole("link", { name: "Sessions", exact: true }).click();
    await page.getByText("Your session has expired.").waitFor();
    await fillInLogin(page);
    await heading(page, "Your sessions").waitFor();
  });

  it("says that a form was not accepted, and comes back to the page of the form", async () => {
    const site = await sites.start();
    const { page, sessionId } = await loggedIn(site);
    const other = await browser.newPage();
    await logIn(other, site.url);
    await page.goto(`${site.url}/sessions`);
    await idle(site, sessionId, IDLE_TIMEOUT + 1);
    await page.getByRole("button", { name: "Log out all other devices" }).click();
    await heading(page, "You are not logged in").waitFor();
    await page.getByText("nothing was changed").waitFor();
    await page.getByRole("link", { name: "Log in" }).click();
    await fillInLogin(page);
    await heading(page, "Your sessions").waitFor();
    await other.reload();
    await heading(other, "Hello, Alice Archer").waitFor();
  });
});
