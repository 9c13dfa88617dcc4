import { expect } from "chai";
import { newActor, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { denialsOf } from "../support/audited-denials.ts";
import { expectFailure } from "../support/expect-failure.ts";

describe("the type of actor that Validate accepts (M08)", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp({ env: { SESSIOND_BIND_USER_AGENT: "true" } });
  });
  after(() => app?.stop());

  const validate = (cookie: string, more: Parameters<TestApp["client"]["validate"]>[0] = {}) =>
    app.client.validate({ ...more, credential: { case: "cookie", value: cookie } });

  it("is any by default, and else exactly the one that is named", async () => {
    const actor = { ...newActor(), actorType: "user" };
    const { cookie } = await openSession(app.client, { actor });
    await validate(cookie);
    const { session } = await validate(cookie, { actorType: "user" });
    expect(session?.actorType).to.equal("user");
    for (const actorType of ["service_account", "User", "use", "users", " user"]) {
      await expectFailure(validate(cookie, { actorType }), "ACTOR_TYPE_NOT_ACCEPTED");
    }
  });

  it("leaves the session live and untouched, and audits the denial", async () => {
    const { id, cookie } = await openSession(app.client);
    const call = validate(cookie, { actorType: "service_account", touch: true });
    const error = await expectFailure(call, "ACTOR_TYPE_NOT_ACCEPTED");
    expect(error.rawMessage).to.equal("the session's actor is of a type that is not accepted here");
    await validate(cookie, { actorType: "user" });
    const [denial] = await denialsOf(app, id);
    expect(denial?.details.reason).to.equal("ACTOR_TYPE_NOT_ACCEPTED");
  });

  it("is none in a pre-login session whose user is not known", async () => {
    const { cookie } = await app.client.create({ preLogin: true });
    await validate(cookie, { acceptPreLogin: true });
    const call = validate(cookie, { acceptPreLogin: true, actorType: "user" });
    await expectFailure(call, "ACTOR_TYPE_NOT_ACCEPTED");
  });

  it("is checked after the bindings and before the CSRF token", async () => {
    const { cookie } = await openSession(app.client, { userAgent: "one" });
    const wrong = { actorType: "service_account", csrfToken: "wrong" };
    const bound = validate(cookie, { ...wrong, userAgent: "another" });
    await expectFailure(bound, "USER_AGENT_MISMATCH");
    await expectFailure(validate(cookie, wrong), "ACTOR_TYPE_NOT_ACCEPTED");
    await expectFailure(validate(cookie, { ...wrong, actorType: "user" }), "CSRF_MISMATCH");
  });
});
