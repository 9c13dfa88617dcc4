import { expect } from "chai";
import type { Cookie, Page } from "playwright-core";
import { DEMO_PASSWORD } from "../../examples/web-login/users.ts";
import { describeWithBrowser, useBrowser } from "../support/browser.ts";
import { fillInLogin, logIn, type Site, useSites } from "../support/web-login.ts";

describeWithBrowser("examples/web-login: cookies and attacks in a browser", () => {
  const browser = useBrowser();
  const sites = useSites(browser);

  const heading = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 });
  const scheme = (tls: boolean) => (tls ? "https" : "http");
  /** The application on a host that has siblings. */
  const appUrl = ({ port }: Site, tls = true) => `${scheme(tls)}://app.example.test:${port}`;

  interface Form {
    readonly action: string;
    readonly fields: Readonly<Record<string, string>>;
    /** Where the form is. */
    readonly host: string;
    readonly tls?: boolean;
  }

  /** Opens a page of the attacker and sends the form that is there to the application. */
  async function sendFrom(page: Page, { action, fields, host, tls = false }: Form): Promise<void> {
    const inputs = Object.entries(fields).map(
      ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
    );
    const port = await sites.serve(
      (_req, res) => {
        res.setHeader("content-type", "text/html");
        res.end(`<link rel="icon" href="data:,"><form method="post" action="${action}">
          ${inputs.join("")}<button>Win a prize</button></form>`);
      },
      { tls },
    );
    await page.goto(`${scheme(tls)}://${host}:${port}`);
    await page.getByRole("button", { name: "Win a prize" }).click();
  }

  async function expectUnchanged(page: Page, url: string): Promise<void> {
    await page.goto(url);
    await heading(page, "Hello, Alice Archer").waitFor();
  }

  const byName = (cookies: readonly Cookie[]) =>
    Object.fromEntries(cookies.map((c) => [c.name, c]));

  for (const [tls, prefix] of [
    [true, "__Host-"],
    [false, ""],
  ] as const) {
    it(`gets cookies named ${prefix}session and ${prefix}csrf over ${scheme(tls)}`, async () => {
      const site = await sites.start({ tls });
      const page = await browser.newPage();
      const url = tls ? appUrl(site) : site.url;
      const cookies = async () => byName(await page.context().cookies());
      await page.goto(`${url}/login`);
      expect(await cookies()).to.have.all.keys(`${prefix}prelogin`, `${prefix}csrf`);

      await fillInLogin(page);
      await heading(page, "Hello, Alice Archer").waitFor();
      const common = {
        domain: new URL(url).hostname,
        path: "/",
        secure: tls,
        sameSite: "Lax",
      } as const;
      const jar = await cookies();
      expect(jar).to.have.all.keys(`${prefix}session`, `${prefix}csrf`);
      expect(jar[`${prefix}session`]).to.include({ ...common, httpOnly: true });
      expect(jar[`${prefix}csrf`]).to.include({ ...common, httpOnly: false });

      // Scripts see the CSRF token, and not the session.
      const seen = await page.evaluate("document.cookie");
      expect(seen).to.equal(`${prefix}csrf=${jar[`${prefix}csrf`]?.value}`);

      await page.getByRole("button", { name: "Log out" }).click();
      await heading(page, "Log in").waitFor();
      expect(await cookies()).not.to.have.any.keys(`${prefix}session`);
    });
  }

  it("accepts its own form and refuses that of another site", async () => {
    const site = await sites.start();
    const page = await browser.newPage();
    await logIn(page, site.url);
    const action = `${site.url}/name`;
    await sendFrom(page, { action, fields: { displayName: "Mallory" }, host: "127.0.0.1" });
    // SameSite=Lax: the form comes without cookies.
    await heading(page, "You are not logged in").waitFor();
    await expectUnchanged(page, site.url);

    await page.getByLabel("Name that others see").fill("Ally");
    await page.getByRole("button", { name: "Save" }).click();
    await heading(page, "Hello, Ally").waitFor();
  });

  it("refuses the form of another site that has the cookies, by the CSRF token", async () => {
    const site = await sites.start({ tls: true, env: { SESSIOND_COOKIE_SAME_SITE: "none" } });
    const page = await browser.newPage();
    await logIn(page, site.url);
    for (const fields of [
      { displayName: "Mallory" },
      { displayName: "Mallory", csrf_token: "" },
      { displayName: "Mallory", csrf_token: "guess" },
    ]) {
      const action = `${site.url}/name?csrf_token=guess`;
      await sendFrom(page, { action, fields, host: "127.0.0.1", tls: true });
      await heading(page, "This form is not valid").waitFor();
      await expectUnchanged(page, site.url);
    }
  });

  it("refuses the forms of a sibling domain, which have the cookies", async () => {
    const site = await sites.start({ tls: true });
    const page = await browser.newPage();
    await logIn(page, appUrl(site));
    for (const path of ["/name", "/sessions/end-others", "/session/stay", "/logout"]) {
      const action = appUrl(site) + path;
      const fields = { displayName: "Mallory" };
      await sendFrom(page, { action, fields, host: "evil.example.test", tls: true });
      await heading(page, "This form is not valid").waitFor();
      await expectUnchanged(page, appUrl(site));
    }
  });

  it("logs nobody in by a login form of another site or a sibling domain", async () => {
    const site = await sites.start({ tls: true });
    const page = await browser.newPage();
    await page.goto(`${appUrl(site)}/login`);
    for (const host of ["127.0.0.1", "evil.example.test"]) {
      const action = `${appUrl(site)}/login`;
      const fields = { name: "bob", password: DEMO_PASSWORD };
      await sendFrom(page, { action, fields, host, tls: true });
      await page.getByText("The form was no longer valid.").waitFor();
    }
    expect(await site.sessionsOf("bob")).to.deep.equal([]);
  });

  /** Sets the attacker's session as a cookie of all of example.test, in every way there is. */
  async function toss(page: Page, site: Site, tls: boolean): Promise<Cookie> {
    const attacker = await browser.newPage();
    await logIn(attacker, appUrl(site, tls), "bob");
    const cookies = await attacker.context().cookies();
    const session = cookies.find(({ name }) => name.endsWith("session"));
    const csrf = cookies.find(({ name }) => name.endsWith("csrf"));
    const tossed = ["", "; Secure"].flatMap((secure) =>
      ["/", "/sessions"].flatMap((path) =>
        ["", "__Host-"].flatMap((prefix) => [
          `${prefix}session=${session?.value}; Domain=example.test; Path=${path}${secure}`,
          `${prefix}csrf=${csrf?.value}; Domain=example.test; Path=${path}${secure}`,
        ]),
      ),
    );
    const port = await sites.serve(
      (_req, res) => {
        res.setHeader("set-cookie", tossed);
        res.setHeader("content-type", "text/html");
        res.end(`<link rel="icon" href="data:,"><h1>Evil</h1>`);
      },
      { tls },
    );
    await page.goto(`${scheme(tls)}://evil.example.test:${port}`);
    for (const text of tossed) await page.evaluate(`document.cookie = ${JSON.stringify(text)}`);
    const jar = await page.context().cookies(appUrl(site, tls));
    const found = jar.find(({ domain }) => domain === ".example.test");
    if (found === undefined) throw new Error("nothing was tossed");
    return found;
  }

  it("ignores a session that a sibling domain has tossed, before and after the login", async () => {
    const site = await sites.start({ tls: true });
    const page = await browser.newPage();
    const tossed = await toss(page, site, true);
    expect(tossed.name).not.to.match(/^__Host-/);

    await page.goto(appUrl(site));
    await fillInLogin(page);
    await heading(page, "Hello, Alice Archer").waitFor();
    await page.getByRole("link", { name: "Sessions" }).click();
    await page.getByText("on this device only").waitFor();

    await toss(page, site, true);
    await page.goto(appUrl(site));
    await page.getByLabel("Name that others see").fill("Ally");
    await page.getByRole("button", { name: "Save" }).click();
    await heading(page, "Hello, Ally").waitFor();
  });

  it("would take a tossed session by a plain name: the control", async () => {
    const site = await sites.start({ tls: false });
    const page = await browser.newPage();
    await toss(page, site, false);
    await page.goto(appUrl(site, false));
    await heading(page, "Hello, Bob Baker").waitFor();
  });

  it("does not lead from the login to another site", async () => {
    const site = await sites.start();
    for (const next of ["https://evil.example.test/", "/.//evil.example.test/"]) {
      const page = await browser.newPage();
      await page.goto(`${site.url}/login?next=${encodeURIComponent(next)}`);
      // The form's own field is no more to be trusted than the link.
      const edit = `document.querySelector("[name=next]").value = ${JSON.stringify(next)}`;
      await page.evaluate(edit);
      await fillInLogin(page);
      await heading(page, "Hello, Alice Archer").waitFor();
      expect(page.url()).to.equal(`${site.url}/`);
    }
  });
});
