/** Makes the screenshots of examples/web-login with a browser and a sessiond of their own. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { BrowserContextOptions, Page } from "playwright-core";
import { connect } from "../clients/typescript/src/index.ts";
import { createApp } from "../examples/web-login/app.ts";
import { startEmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import { startReplica } from "../test/support/app.ts";
import { launchBrowser } from "../test/support/chromium.ts";

const root = join(import.meta.dirname, "..");
const directory = join(root, "examples/web-login/screenshots");

const DESKTOP = { viewport: { width: 800, height: 760 } };
const PHONE = { viewport: { width: 360, height: 720 }, deviceScaleFactor: 1.5 };
const DARK = { colorScheme: "dark" } as const;

const ALICE = { actorType: "user", actorId: "alice" };
const OTHER_DEVICES = [
  {
    loggedIn: "9 hours",
    lastSeen: "20 minutes",
    ipAddress: "198.51.100.20",
    userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0",
  },
  {
    loggedIn: "2 hours",
    lastSeen: "4 minutes",
    ipAddress: "2001:db8::7",
    userAgent:
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
  },
];
const THIS_DEVICE = {
  ipAddress: "203.0.113.7",
  userAgent:
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
};

const dataDirectory = await mkdtemp(join(tmpdir(), "sessiond-screenshots-"));
const postgres = await startEmbeddedPostgres({ dataDirectory, ephemeral: true });
const database = new pg.Client({ connectionString: postgres.url });
await database.connect();
const { url: sessiondUrl, ...replica } = await startReplica(postgres.url, {
  env: { SESSIOND_COOKIE_SECURE: "false" },
});
const sessiond = connect(sessiondUrl);
const server = http.createServer(createApp(sessiond));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://localhost:${(server.address() as AddressInfo).port}`;
const browser = await launchBrowser();
try {
  await openOtherSessions();
  await takeAll();
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
  sessiond.close();
  await replica.stop();
  await database.end();
  await postgres.stop();
  await rm(dataDirectory, { recursive: true, force: true });
}

/** Of different ages, so that the page of sessions shows them. */
async function openOtherSessions(): Promise<void> {
  for (const { loggedIn, lastSeen, ...device } of OTHER_DEVICES) {
    const { session } = await sessiond.create({ actor: ALICE, ...device });
    await database.query(
      `UPDATE sessions SET created_at = created_at - $2::interval,
         last_seen_at = last_seen_at - $3::interval WHERE id = $1`,
      [session?.id, loggedIn, lastSeen],
    );
  }
}

async function takeAll(): Promise<void> {
  await take("login", DESKTOP, { path: "/login", loggedIn: false });
  await take("account", DESKTOP, { path: "/" });
  await take("sessions", DESKTOP, { path: "/sessions" });
  await take("login-phone", PHONE, { path: "/login", loggedIn: false });
  await take("sessions-phone-dark", { ...PHONE, ...DARK }, { path: "/sessions" });
  // Shorter than the time before the deadline at which sessiond warns.
  await take("expiry-warning-phone", PHONE, { path: "/", idleSeconds: 149n });
}

interface Subject {
  readonly path: string;
  readonly loggedIn?: boolean;
  readonly idleSeconds?: bigint;
}

async function take(
  name: string,
  options: BrowserContextOptions,
  { path, loggedIn = true, idleSeconds }: Subject,
): Promise<void> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const sessionId = loggedIn ? await logIn(page, idleSeconds) : undefined;
  await page.goto(url + path);
  await page.screenshot({ path: join(directory, `${name}.png`) });
  await context.close();
  if (sessionId !== undefined) {
    await sessiond.revoke({
      session: { ref: { case: "sessionId", value: sessionId } },
      reason: "logout",
      actingActorId: ALICE.actorId,
    });
  }
}

/** Without the form, so that the session has an address that is nobody's. */
async function logIn(page: Page, idleSeconds: bigint | undefined): Promise<string | undefined> {
  const created = await sessiond.create({
    actor: ALICE,
    ...THIS_DEVICE,
    ...(idleSeconds !== undefined && { idleTimeout: { seconds: idleSeconds } }),
  });
  const cookies = created.setCookies.map(({ name, value }) => ({ name, value, url }));
  await page.context().addCookies(cookies);
  return created.session?.id;
}
