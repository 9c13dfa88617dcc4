import { expect } from "chai";
import { openSession } from "../support/actors.ts";
import { startTestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { everyCall } from "../support/every-call.ts";

const FORMATS = {
  text: "text/plain",
  protobuf:
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
};

describe("metrics and secrets", () => {
  it("J09: cookies, CSRF tokens, callers' tokens, sessions, actors and keys are in no format", async () => {
    const token = newToken();
    const stranger = newToken();
    const callers = await createTestFile(tokenLine(token, { name: "ops", role: "admin" }));
    const app = await startTestApp({
      env: { SESSIOND_METRICS_PORT: "0", SESSIOND_CALLERS_FILE: callers.path },
    });
    const { client, close } = clientOf(app.url, withToken(token));
    const strange = clientOf(app.url, withToken(stranger));
    try {
      const secrets = [token, stranger];
      for (const call of Object.values(everyCall)) {
        const session = await openSession(client);
        const { id, actor, cookie, csrfToken } = session;
        secrets.push(id, actor.actorId, cookie, csrfToken);
        await call(client, session);
        // A secret where none belongs, and a forged one.
        const wrong = { case: "cookie", value: `${cookie}x` } as const;
        const misplaced = { credential: wrong, csrfToken: cookie, tenantId: cookie };
        await client.validate(misplaced).catch(() => {});
        await strange.client.validate({ credential: wrong }).catch(() => {});
        await fetch(`${app.url}/${cookie}`, { method: "POST" }).then((response) => response.text());
      }
      for (const accept of Object.values(FORMATS)) {
        const response = await fetch(`http://127.0.0.1:${app.app.metricsPort}/metrics`, {
          headers: { accept },
        });
        const found = Buffer.from(await response.arrayBuffer()).toString("latin1");
        expect(found).to.include("SessionService/Validate");
        expect(secrets.filter((secret) => found.includes(secret))).to.deep.equal([]);
      }
    } finally {
      strange.close();
      close();
      await app.stop();
      await callers.remove();
    }
  });
});
