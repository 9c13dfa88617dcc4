import { expect } from "chai";
import { createCallerAuthentication } from "../../src/callers/caller-authentication.ts";
import { newActor, openSession } from "../support/actors.ts";
import { startTestApp } from "../support/app.ts";
import { clientOf, createTestFile, newToken, tokenLine, withToken } from "../support/callers.ts";
import { expectFailure } from "../support/expect-failure.ts";

const events = { onChange() {}, onError() {} };

describe("what the rules know of a caller", () => {
  it("are the tenants of its line", async () => {
    const token = newToken();
    const file = await createTestFile(tokenLine(token, { tenants: ["acme"] }));
    const app = await startTestApp({ env: { SESSIOND_CALLERS_FILE: file.path } });
    const { client, close } = clientOf(app.url, withToken(token));
    try {
      await openSession(client, { actor: newActor({ tenantId: "acme" }) });
      const other = openSession(client, { actor: newActor({ tenantId: "globex" }) });
      await expectFailure(other, "CALLER_FORBIDDEN");
    } finally {
      close();
      await app.stop();
      await file.remove();
    }
  });

  it("is its name as the key of its turns and limits, or else its connection and its network", async () => {
    const token = newToken();
    const file = await createTestFile(tokenLine(token, { name: "shop" }));
    const config = { file: file.path, certificates: false, jwt: undefined };
    const known = await createCallerAuthentication({ config, events });
    const anonymous = await createCallerAuthentication({ config: undefined, events });
    const rawHeaders = ["authorization", `Bearer ${token}`];
    const peer = {
      address: "2001:db8:1:2::7",
      network: "2001:db8:1:2",
      connection: 3,
      certificate: undefined,
    };
    expect(await known.identify({ rawHeaders, peer })).to.include({
      clientKey: "shop",
      limitKey: "shop",
    });
    expect(await anonymous.identify({ rawHeaders, peer })).to.deep.equal({
      name: "",
      role: "admin",
      tenants: undefined,
      clientKey: "2001:db8:1:2::7 3",
      limitKey: "2001:db8:1:2",
    });
    expect(anonymous.identify({ rawHeaders: [], peer })).to.equal(
      anonymous.identify({ rawHeaders, peer }),
    );
    await known[Symbol.asyncDispose]();
    await file.remove();
  });
});
