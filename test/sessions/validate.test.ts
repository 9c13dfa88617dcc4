import { expect } from "chai";
import { byId, newActor, newTenant, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { age, idle, setAbsolute } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";
import { forgeCookie } from "../support/signing-keys.ts";

describe("Validate", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({
      env: { SESSIOND_BIND_IP: "true", SESSIOND_BIND_USER_AGENT: "true" },
    });
  });
  after(() => app.stop());

  it("writes nothing unless it is asked to touch (A02)", async () => {
    const { id, cookie, csrfToken } = await openSession(app.client, { ipAddress: "192.0.2.7" });
    await idle(app, id, 60);
    const before = await sessionRow(app, id);
    const credential = { case: "cookie", value: cookie } as const;

    const { touched } = await app.client.validate({ credential });
    await app.client.validate({ credential, csrfToken, ipAddress: "192.0.2.7" });
    await expectFailure(app.client.validate({ credential, csrfToken: "wrong" }), "CSRF_MISMATCH");

    expect(touched).to.equal(false);
    expect(await sessionRow(app, id)).to.deep.equal(before);
    // The control: the same call, asked to touch, does write.
    expect((await app.client.validate({ credential, touch: true })).touched).to.equal(true);
    expect(await sessionRow(app, id)).to.not.deep.equal(before);
  });

  /**
   * The session has every fault at once; each step corrects the one that was reported, so that any
   * other order of checks would report another reason somewhere on the way.
   */
  it("checks in the documented order (A02)", async () => {
    const tenantId = newTenant();
    const { id, cookie, csrfToken, created } = await openSession(app.client, {
      actor: newActor({ tenantId }),
      preLogin: true,
      ipAddress: "192.0.2.7",
      userAgent: "Browser/1.0",
    });
    const keyId = created.session?.signingKeyId as string;
    await app.client.revoke({
      session: byId(id),
      reason: "logout",
      actingActorId: "admin",
    });
    await age(app, id, 24 * 3600);
    await app.sql("UPDATE signing_keys SET retired_at = now() - interval '1 year' WHERE id = $1", [
      keyId,
    ]);
    const request = {
      acceptPreLogin: false,
      ipAddress: "192.0.2.8",
      userAgent: "Browser/2.0",
      csrfToken: " ",
    };
    const send = (value: string) =>
      app.client.validate({ ...request, credential: { case: "cookie", value } });

    const ofUnknownKey = cookie.replace(keyId, `sk-${"0".repeat(32)}`);
    await expectFailure(send(ofUnknownKey.replace("v1", "v2")), "INVALID_COOKIE");
    await expectFailure(send(ofUnknownKey), "SIGNING_KEY_NOT_FOUND");
    await expectFailure(send(forgeCookie(id, keyId, Buffer.alloc(32))), "INVALID_COOKIE");
    await expectFailure(send(cookie), "SIGNING_KEY_RETIRED");
    await app.sql("UPDATE signing_keys SET retired_at = NULL WHERE id = $1", [keyId]);
    await expectFailure(send(cookie), "REVOKED");
    await app.sql("UPDATE sessions SET revoked_at = NULL WHERE id = $1", [id]);
    await expectFailure(send(cookie), "EXPIRED_ABSOLUTE");
    await setAbsolute(app, id, 60);
    await expectFailure(send(cookie), "EXPIRED_IDLE");
    await idle(app, id, 0);
    await expectFailure(send(cookie), "PRE_LOGIN_NOT_ACCEPTED");
    request.acceptPreLogin = true;
    await expectFailure(send(cookie), "IP_MISMATCH");
    request.ipAddress = "192.0.2.7";
    await expectFailure(send(cookie), "USER_AGENT_MISMATCH");
    request.userAgent = "Browser/1.0";
    await expectFailure(send(cookie), "CSRF_MISSING");
    request.csrfToken = "wrong";
    await expectFailure(send(cookie), "CSRF_MISMATCH");
    request.csrfToken = csrfToken;
    expect((await send(cookie)).session?.id).to.equal(id);
  });

  it("does not touch what it refuses (A02)", async () => {
    const { id, cookie } = await openSession(app.client, { ipAddress: "192.0.2.7" });
    await idle(app, id, 60);
    const before = await sessionRow(app, id);
    const request = { credential: { case: "cookie", value: cookie }, touch: true } as const;

    await expectFailure(app.client.validate({ ...request, ipAddress: "192.0.2.8" }), "IP_MISMATCH");
    await expectFailure(app.client.validate({ ...request, csrfToken: "" }), "CSRF_MISSING");

    expect(await sessionRow(app, id)).to.deep.equal(before);
  });
});
