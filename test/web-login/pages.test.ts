import { expect } from "chai";
import type { Page } from "playwright-core";
import { idle } from "../support/back-dating.ts";
import { describeWithBrowser, useBrowser } from "../support/browser.ts";
import { fillInLogin, logIn, type Site, useSites } from "../support/web-login.ts";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const PHONE = { width: 360, height: 740 };

describeWithBrowser("examples/web-login: the pages in a browser", () => {
  const browser = useBrowser();
  const sites = useSites(browser);

  const heading = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 });
  const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
  const pathOf = (page: Page) => new URL(page.url()).pathname;

  /** A page that the browser has kept does not load again. */
  async function back(page: Page): Promise<void> {
    await page.goBack({ waitUntil: "commit" });
  }

  async function rename(page: Page, name: string): Promise<void> {
    await page.getByLabel("Name that others see").fill(name);
    await button(page, "Save").click();
  }

  async function loggedIn(site: Site, userAgent?: string): Promise<Page> {
    const page = await browser.newPage(userAgent === undefined ? {} : { userAgent });
    await logIn(page, site.url);
    return page;
  }

  it("logs in, shows who it is, changes something and logs out", async () => {
    const site = await sites.start();
    const page = await browser.newPage();
    await page.goto(site.url);
    expect(pathOf(page)).to.equal("/login");

    await fillInLogin(page);
    await heading(page, "Hello, Alice Archer").waitFor();
    expect(await page.getByRole("definition").first().textContent()).to.equal("alice");

    await rename(page, "Ally");
    await heading(page, "Hello, Ally").waitFor();
    expect(await page.getByRole("status").first().textContent()).to.contain("is changed");

    await button(page, "Log out").click();
    await heading(page, "Log in").waitFor();
    expect(await page.getByRole("status").textContent()).to.equal("You are logged out.");
    expect(await site.sessionsOf("alice")).to.deep.equal([]);
  });

  it("works without a script", async () => {
    const site = await sites.start();
    const other = await loggedIn(site, IPHONE);
    const page = await browser.newPage({ javaScriptEnabled: false });
    await logIn(page, site.url);
    await rename(page, "Ally");
    await heading(page, "Hello, Ally").waitFor();
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByRole("button", { name: "Log out Safari on iPhone" }).click();
    await page.getByText("That device is logged out.").waitFor();
    await button(page, "Log out").click();
    await heading(page, "Log in").waitFor();
    await other.goto(site.url);
    expect(pathOf(other)).to.equal("/login");
  });

  it("says the same of a wrong password and of an unknown user, and keeps the name", async () => {
    const site = await sites.start();
    const page = await browser.newPage();
    await page.goto(`${site.url}/login?next=/sessions`);
    for (const [user, password] of [
      ["alice", "wrong"],
      ["mallory", "demo-password"],
      ["__proto__", "demo-password"],
    ] as const) {
      await fillInLogin(page, user, password);
      const alert = page.getByRole("alert");
      expect(await alert.textContent()).to.equal("User name or password is wrong.");
      expect(await page.getByLabel("User name").inputValue()).to.equal(user);
    }
    await fillInLogin(page);
    await heading(page, "Your sessions").waitFor();
  });

  it("shows markup in a name as text", async () => {
    const page = await loggedIn(await sites.start());
    const name = `<img src=x> & "quotes"`;
    await rename(page, name);
    await heading(page, `Hello, ${name}`).waitFor();
    expect(await page.getByLabel("Name that others see").inputValue()).to.equal(name);
    expect(await page.locator("img").count()).to.equal(0);
  });

  it("says what is wrong with a name", async () => {
    const page = await loggedIn(await sites.start());
    await rename(page, "  ");
    expect(await page.getByRole("alert").textContent()).to.equal("Enter a name.");
    const field = page.getByRole("textbox", { name: "Name that others see", description: "Enter" });
    expect(await field.getAttribute("aria-invalid")).to.equal("true");
    await rename(page, "Ally");
    await heading(page, "Hello, Ally").waitFor();
  });

  it("lists the devices and logs one of them out, at its next click", async () => {
    const site = await sites.start();
    const phone = await loggedIn(site, IPHONE);
    const page = await loggedIn(site);
    await page.getByRole("link", { name: "Sessions" }).click();

    const items = page.getByRole("listitem");
    expect(await items.count()).to.equal(2);
    expect(await items.filter({ hasText: "This device" }).count()).to.equal(1);
    const current = items.filter({ hasText: "Chrome on Linux" });
    expect(await current.textContent()).to.match(/This device\s+127\.0\.0\.1\s+Last seen just now/);
    expect(await current.getByRole("button").count()).to.equal(0);
    const other = items.filter({ hasText: "Safari on iPhone" });
    await other.getByRole("button").click();
    await page.getByText("That device is logged out.").waitFor();
    expect(await items.count()).to.equal(1);

    await phone.getByRole("link", { name: "Sessions" }).click();
    await heading(phone, "Log in").waitFor();
    expect(await phone.getByRole("status").textContent()).to.contain("This session was ended");
    await fillInLogin(phone);
    await heading(phone, "Your sessions").waitFor();
    await page.reload();
    expect(await items.count()).to.equal(2);
  });

  it("logs out all other devices and no other user", async () => {
    const site = await sites.start();
    const others = [await loggedIn(site), await loggedIn(site, IPHONE)];
    const bob = await browser.newPage();
    await logIn(bob, site.url, "bob");
    const page = await loggedIn(site);
    await page.getByRole("link", { name: "Sessions" }).click();
    await button(page, "Log out all other devices").click();
    await page.getByText("All other devices are logged out.").waitFor();
    await page.getByText("on this device only").waitFor();
    expect(await page.getByText("If you do not recognise one").count()).to.equal(0);
    for (const other of others) {
      await other.reload();
      await heading(other, "Log in").waitFor();
    }
    await bob.reload();
    await heading(bob, "Hello, Bob Baker").waitFor();
  });

  it("does not end a session of another user", async () => {
    const site = await sites.start();
    const alice = await loggedIn(site);
    await loggedIn(site, IPHONE);
    const bob = await browser.newPage();
    await logIn(bob, site.url, "bob");
    const [bobsSession] = await site.sessionsOf("bob");
    await alice.goto(`${site.url}/sessions`);
    for (const id of [bobsSession?.id, "ses-unknown", ""]) {
      // As if the user had edited the form.
      const setId = `document.querySelector("[name=session]").value = ${JSON.stringify(id)}`;
      await alice.evaluate(setId);
      await alice.getByRole("listitem").getByRole("button").click();
      await heading(alice, "There is no such session").waitFor();
      await alice.getByRole("link", { name: "See your sessions" }).click();
    }
    await bob.reload();
    await heading(bob, "Hello, Bob Baker").waitFor();
  });

  for (const javaScriptEnabled of [true, false]) {
    const script = javaScriptEnabled ? "with" : "without";
    it(`shows nothing of the user after a logout by the back button, ${script} script`, async () => {
      const site = await sites.start();
      const page = await browser.newPage({ javaScriptEnabled });
      await logIn(page, site.url);
      await page.getByRole("link", { name: "Sessions" }).click();
      await heading(page, "Your sessions").waitFor();
      await back(page);
      // The control: the button works as long as the user is logged in.
      await heading(page, "Hello, Alice Archer").waitFor();
      await button(page, "Log out").click();
      await heading(page, "Log in").waitFor();

      for (let step = 0; step < 2; step++) {
        await back(page);
        await heading(page, "Log in").waitFor();
        expect(await page.content()).not.to.contain("Alice");
      }
    });
  }

  it("shows nothing of the user by the back button if another device has ended the session", async () => {
    const site = await sites.start();
    const page = await loggedIn(site);
    await page.getByRole("link", { name: "Sessions" }).click();
    await heading(page, "Your sessions").waitFor();
    const [session] = await site.sessionsOf("alice");
    await idle(site, session?.id ?? "", 24 * 3600);
    await back(page);
    await heading(page, "Log in").waitFor();
    expect(await page.content()).not.to.contain("Alice");
  });

  it("lets no page be stored", async () => {
    const site = await sites.start();
    const page = await browser.newPage();
    const stored: string[] = [];
    page.on("response", async (response) => {
      if (new URL(response.url()).pathname.startsWith("/static/")) return;
      if ((await response.headerValue("cache-control")) !== "no-store") stored.push(response.url());
    });
    await logIn(page, site.url);
    for (const path of ["/sessions", "/session/status", "/login", "/missing"]) {
      await page.goto(site.url + path);
    }
    expect(stored).to.deep.equal([]);
  });

  it("keeps the cookies in an outage, and goes on after it", async () => {
    const site = await sites.start();
    const page = await loggedIn(site);
    const cookies = await page.context().cookies();
    site.databaseProxy.refuse();

    const response = await page.goto(`${site.url}/sessions`);
    expect(response?.status()).to.equal(503);
    expect(Number(await response?.headerValue("retry-after"))).to.be.at.least(1);
    await heading(page, "Please try again in a moment").waitFor();
    await page.getByText("You are not logged out.").waitFor();
    expect(await page.context().cookies()).to.deep.equal(cookies);

    site.databaseProxy.restore();
    await page.getByRole("link", { name: "Try again" }).click();
    await heading(page, "Your sessions").waitFor();
  });

  it("keeps the cookies if a form or a logout meets an outage", async () => {
    const site = await sites.start();
    const page = await loggedIn(site);
    const cookies = await page.context().cookies();
    for (const name of ["Save", "Log out"]) {
      site.databaseProxy.refuse();
      await button(page, name).click();
      await heading(page, "Please try again in a moment").waitFor();
      expect(await page.context().cookies()).to.deep.equal(cookies);
      site.databaseProxy.restore();
      await page.getByRole("link", { name: "Try again" }).click();
      await heading(page, "Hello, Alice Archer").waitFor();
    }
  });

  it("gives a new login form if the old one is no longer valid", async () => {
    const site = await sites.start();
    const page = await browser.newPage();
    await page.goto(`${site.url}/login?next=/sessions`);
    await site.sql("UPDATE sessions SET absolute_expires_at = statement_timestamp()");
    await fillInLogin(page);
    expect(await page.getByRole("alert").textContent()).to.contain("no longer valid");
    await fillInLogin(page);
    await heading(page, "Your sessions").waitFor();
  });

  it("logs in from two tabs with a login form each", async () => {
    const site = await sites.start();
    const first = await browser.newPage();
    await first.goto(`${site.url}/login`);
    const second = await first.context().newPage();
    await second.goto(`${site.url}/login`);
    await fillInLogin(first);
    await heading(first, "Hello, Alice Archer").waitFor();
  });

  it("fits a narrow telephone, on every page", async () => {
    const site = await sites.start();
    const page = await browser.newPage({ viewport: PHONE });
    const fits = async () => {
      await page.waitForLoadState();
      const measured = "[document.documentElement.scrollWidth, innerWidth]";
      const [content, window] = await page.evaluate<[number, number]>(measured);
      expect(content, page.url()).to.equal(window).and.equal(PHONE.width);
    };
    await page.goto(site.url);
    await fits();
    await fillInLogin(page, "a".repeat(200), "wrong");
    await page.getByRole("alert").waitFor();
    await fits();
    await loggedIn(site, `${"Unbroken".repeat(30)} Firefox/1 iPhone`);
    await logIn(page, site.url);
    await rename(page, "M".repeat(40));
    await heading(page, `Hello, ${"M".repeat(40)}`).waitFor();
    await fits();
    await page.goto(`${site.url}/sessions?done=others`);
    await fits();
    await page.goto(`${site.url}/missing`);
    await fits();
    await site.sql(
      "UPDATE sessions SET absolute_expires_at = statement_timestamp() + '10 minutes'",
    );
    await page.goto(site.url);
    await page.getByRole("complementary", { name: "Your session" }).waitFor();
    await fits();
    await site.sql("UPDATE sessions SET absolute_expires_at = statement_timestamp()");
    await page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
    await heading(page, "You have been logged out").waitFor();
    await fits();
    const box = await page.locator("#ended").boundingBox();
    expect(box?.x, "the margin of the card").to.equal(16);
  });

  it("runs no script and shows no style that is not its own", async () => {
    const page = await loggedIn(await sites.start());
    await page.evaluate(`document.body.setAttribute("style", "color: red")`);
    await page.evaluate(`document.body.insertAdjacentHTML("beforeend", "<p>")`).catch(() => {});
    // Also the control for the other tests: violations are noticed.
    expect(browser.takeProblems().join("\n")).to.contain("style-src").and.contain("TrustedHTML");
  });
});
