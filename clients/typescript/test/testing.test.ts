import { expect } from "chai";
import { createTestSessiond } from "../src/testing.ts";

describe("createTestSessiond()", () => {
  it("starts a sessiond with the given settings, and stops it", async () => {
    const sessiond = await createTestSessiond({
      cookieSecure: false,
      settings: { SESSIOND_IDLE_TIMEOUT: "7m" },
      connect: { timeoutMs: 60_000 },
    });
    try {
      const { client, url } = sessiond;
      expect(url).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
      const created = await client.create({ actor: { actorType: "user", actorId: "alice" } });
      expect(created.setCookies.map(({ name }) => name)).to.contain("session");
      const { idleSecondsLeft } = await client.validate({
        credential: { case: "cookie", value: created.cookie },
      });
      expect(idleSecondsLeft).to.be.within(1, 7 * 60);
    } finally {
      await Promise.all([sessiond.stop(), sessiond.stop()]);
    }
    const refused = await sessiond.client
      .list({ actor: { actorType: "user", actorId: "alice" } })
      .catch((error: Error) => error.message);
    expect(refused).to.contain("[unavailable]");
    sessiond.client.close();
  });

  it("says what sessiond has said if it does not start", async () => {
    const settings = { SESSIOND_IDLE_TIMEOUT: "soon" };
    const failed = await createTestSessiond({ settings }).catch((error: Error) => error.message);
    expect(failed).to.match(/ended with 1\n[\s\S]*SESSIOND_IDLE_TIMEOUT/);
  });

  it("takes its command from the option or the environment", async () => {
    const missing = await createTestSessiond({ command: ["/nowhere/sessiond"] }).catch(String);
    expect(missing).to.contain("sessiond (/nowhere/sessiond) cannot be started");
    const before = process.env.SESSIOND_COMMAND;
    process.env.SESSIOND_COMMAND = "/elsewhere/sessiond --flag";
    try {
      const named = await createTestSessiond().catch(String);
      expect(named).to.contain("sessiond (/elsewhere/sessiond) cannot be started");
    } finally {
      if (before === undefined) delete process.env.SESSIOND_COMMAND;
      else process.env.SESSIOND_COMMAND = before;
    }
  });
});
