import { inspect } from "node:util";
import { expect } from "chai";
import { byCookie, newActor, openSession, validate } from "../support/actors.ts";
import { startTestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { everyCall } from "../support/every-call.ts";
import { failureOf } from "../support/expect-failure.ts";
import { useRecordedSpans } from "../support/recorded-spans.ts";
import { statementsDuring } from "../support/statement-log.ts";

const USER_AGENT = "canary-browser/1.0 (of a user)";
const METADATA = "canary-metadata";

describe("secrets and spans", () => {
  const spans = useRecordedSpans();

  it("K04: no span has a cookie, a token, a value of a statement or a user agent", async () => {
    const token = newToken();
    const strangersToken = newToken();
    const file = await createTestFile(tokenLine(token, { name: "shop", role: "admin" }));
    const app = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
    const shop = clientOf(app.url, withToken(token));
    const stranger = clientOf(app.url, withToken(strangersToken));
    const secrets = new Set([token, strangersToken, USER_AGENT, METADATA]);
    try {
      const sent = await statementsDuring(async () => {
        const { client } = shop;
        for (const call of Object.values(everyCall)) {
          const session = await openSession(client, {
            actor: newActor(),
            userAgent: USER_AGENT,
            ipAddress: "203.0.113.77",
            metadata: { note: METADATA },
          });
          secrets.add(session.cookie).add(session.csrfToken).add(session.id);
          await call(client, session);
          // What is refused says what it was, but not to the tracer.
          const { cookie } = session;
          const headers = {
            cookie,
            "user-agent": USER_AGENT,
            "x-request-id": cookie.slice(0, 100),
          };
          const swapped = {
            credential: { case: "cookie", value: cookie },
            tenantId: cookie,
          } as const;
          await failureOf(client.validate(swapped, { headers }));
          await failureOf(validate(stranger.client, cookie));
          await failureOf(validate(client, `${cookie}x`));
          await failureOf(
            client.validateCsrf({ session: byCookie(cookie), csrfToken: `${session.csrfToken}x` }),
          );
        }
        // A failure of PostgreSQL's, whose message has the value.
        const statement = { summary: "SELECT", text: "SELECT $1::text::integer" };
        await app.app.storage.database.query(statement, [METADATA], undefined).catch(() => {});
      });
      for (const { values } of sent) for (const value of textsIn(values)) secrets.add(value);
    } finally {
      shop.close();
      stranger.close();
      await app.stop();
      await file.remove();
    }

    const exported = inspect(spans.all, { depth: 12, maxArrayLength: null, maxStringLength: null });
    // What is meant to be there is found.
    expect(exported).to.include("INSERT sessions audit_events");
    expect(exported).to.include("22P02");
    expect(exported).to.include("shop");
    expect(secrets.size).to.be.greaterThan(3 * Object.keys(everyCall).length + 4);
    for (const secret of secrets) expect(exported.includes(secret), secret).to.equal(false);
  });
});

/** The texts among the values that are long enough to be of one call, also those within arrays and JSON. */
function textsIn(values: readonly unknown[]): string[] {
  return values
    .flat()
    .flatMap((value) => (typeof value === "string" ? value.split(/[{},"]+/) : []))
    .filter((text) => text.length >= 16);
}
