import { once } from "node:events";
import http, { type RequestListener } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { connect } from "../../clients/typescript/src/index.ts";
import { createApp } from "../../examples/web-login/app.ts";
import { DEMO_PASSWORD } from "../../examples/web-login/users.ts";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import { type Replica, startReplica } from "./app.ts";
import type { Browsers } from "./browser.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { type DatabaseProxy, startDatabaseProxy } from "./database-proxy.ts";
import { testCertificate, testKey } from "./test-certificate.ts";

export interface SiteOptions {
  /** Over TLS, with `__Host-` cookies. */
  readonly tls?: boolean;
  /** Further settings of sessiond. */
  readonly env?: Record<string, string>;
}

/** The application, with a sessiond and a database of its own. */
export interface Site {
  readonly port: number;
  /** On localhost. */
  readonly url: string;
  readonly replica: Replica;
  readonly sql: TestDatabase["sql"];
  /** Between sessiond and its database. */
  readonly databaseProxy: DatabaseProxy;
  /** The live sessions of a user, newest first. */
  sessionsOf(userId: string): Promise<Session[]>;
}

/**
 * Starts applications and other servers that are gone after each test of the suite. A test fails if
 * the console of its pages has an error.
 */
export function useSites(browser: Browsers) {
  const stack: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const stop of stack.splice(0).reverse()) await stop();
    // Last: mocha runs no further hooks after one that has failed.
    const problems = browser.takeProblems();
    if (problems.length > 0) throw new Error(`the console has errors:\n${problems.join("\n")}`);
  });

  async function listen(listener: RequestListener, tls: boolean): Promise<number> {
    const server = tls
      ? https.createServer({ cert: testCertificate, key: testKey }, listener)
      : http.createServer(listener);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.push(async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    });
    return (server.address() as AddressInfo).port;
  }

  return {
    /** Another web server, such as an attacker's. Returns its port on 127.0.0.1. */
    serve: (listener: RequestListener, { tls = false } = {}) => listen(listener, tls),

    async start({ tls = false, env }: SiteOptions = {}): Promise<Site> {
      const database = await createTestDatabase();
      stack.push(() => database.drop());
      const databaseProxy = await startDatabaseProxy(database.url);
      stack.push(() => databaseProxy.close());
      const cookies = { SESSIOND_COOKIE_SECURE: String(tls) };
      const replica = await startReplica(databaseProxy.url, { env: { ...cookies, ...env } });
      stack.push(() => replica.stop());
      // No limit that a busy machine reaches: only outages are to look like outages.
      const sessiond = connect(replica.url, { timeoutMs: 60_000 });
      stack.push(async () => sessiond.close());
      const port = await listen(createApp(sessiond, { onError: () => {} }), tls);
      return {
        port,
        url: `${tls ? "https" : "http"}://localhost:${port}`,
        replica,
        sql: database.sql,
        databaseProxy,
        async sessionsOf(actorId) {
          const { sessions } = await replica.client.list({ actor: { actorType: "user", actorId } });
          return sessions;
        },
      };
    },
  };
}

/** Fills in the login form that the page shows, and sends it. */
export async function fillInLogin(page: Page, user = "alice", password = DEMO_PASSWORD) {
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Logs a user in and waits for the home page. */
export async function logIn(page: Page, url: string, user = "alice"): Promise<void> {
  await page.goto(`${url}/login`);
  await fillInLogin(page, user);
  await page.getByRole("heading", { name: "Hello" }).waitFor();
}
