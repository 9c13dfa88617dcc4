import { expect } from "chai";
import type { CreateResponse } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import {
  byCookie,
  byId,
  newActor,
  newTenant,
  type OpenedSession,
  openSession,
  validate,
} from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditedBy, auditOf } from "../support/audit-rows.ts";
import { age, idle } from "../support/back-dating.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

/** What a Create does to the session that it names in `replaces`. */
describe("Create that replaces a session", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const openPreLogin = (tenantId = "default") =>
    openSession(app.client, { actor: newActor({ tenantId }), preLogin: true });
  const cookiesOf = ({ setCookies }: CreateResponse) =>
    setCookies.map(({ name, value }) => [name, value]);

  const namings = {
    cookie: ({ cookie }: OpenedSession) => byCookie(cookie),
    id: ({ id }: OpenedSession) => byId(id),
    "cookie and tenant": ({ cookie }: OpenedSession) => byCookie(cookie, "default"),
  };

  for (const [how, naming] of Object.entries(namings)) {
    it(`ends the pre-login session that is named by its ${how} (A25)`, async () => {
      const preLogin = await openPreLogin();
      const login = await openSession(app.client, { replaces: naming(preLogin) });

      expect(login.created.replacedSessionId).to.equal(preLogin.id);
      expect(login.id).to.not.equal(preLogin.id);
      expect(login.csrfToken).to.not.equal(preLogin.csrfToken);
      await validate(app.client, login.cookie);
      const credential = { case: "cookie", value: preLogin.cookie } as const;
      const call = app.client.validate({ credential, acceptPreLogin: true });
      await expectFailure(call, "REVOKED");
      expect(await sessionRow(app, preLogin.id)).to.include({
        revoke_reason: "replaced",
        revoked_by: login.actor.actorId,
      });
    });
  }

  it("clears the pre-login cookie and sets the new ones (A25)", async () => {
    const preLogin = await openPreLogin();
    const { created, cookie, csrfToken } = await openSession(app.client, {
      replaces: byCookie(preLogin.cookie),
    });
    expect(cookiesOf(created)).to.deep.equal([
      ["__Host-session", cookie],
      ["__Host-csrf", csrfToken],
      ["__Host-prelogin", ""],
    ]);
    expect(created.setCookies[2]).to.deep.include({
      maxAgeSeconds: 0,
      header: "__Host-prelogin=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
    });
  });

  it("audits both the revocation and the Create, with the new actor as the acting one (A25)", async () => {
    const preLogin = await openPreLogin();
    let login: OpenedSession | undefined;
    const audit = await auditedBy(app.sql, async () => {
      login = await openSession(app.client, { replaces: byCookie(preLogin.cookie) });
    });
    const common = {
      category: "auth",
      acting_actor_id: login?.actor.actorId,
      calling_service: "",
      tenant_id: "default",
      resource_type: "session",
    };
    expect(audit).to.have.deep.members([
      {
        ...common,
        action: "auth.session_revoked",
        resource_id: preLogin.id,
        details: { reason: "replaced", replaced_by: login?.id },
      },
      {
        ...common,
        action: "auth.session_created",
        resource_id: login?.id,
        details: { actor_type: "user", pre_login: "false" },
      },
    ]);
  });

  it("ends the old login, and clears no cookie (ASVS 7.2.4)", async () => {
    const old = await openSession(app.client);
    const login = await openSession(app.client, {
      actor: old.actor,
      replaces: byCookie(old.cookie),
    });
    expect(login.created.replacedSessionId).to.equal(old.id);
    expect(cookiesOf(login.created)).to.deep.equal([
      ["__Host-session", login.cookie],
      ["__Host-csrf", login.csrfToken],
    ]);
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
  });

  it("ends the old login of another user in the same browser (ASVS 7.2.4)", async () => {
    const old = await openSession(app.client);
    const login = await openSession(app.client, { replaces: byCookie(old.cookie) });
    expect(login.created.replacedSessionId).to.equal(old.id);
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
    const [, revoked] = await auditOf(app.sql, old.id);
    expect(revoked?.acting_actor_id).to.equal(login.actor.actorId);
  });

  it("clears the login's cookie if the new session is a pre-login one (ASVS 7.2.4)", async () => {
    const old = await openSession(app.client);
    const { created } = await openSession(app.client, {
      preLogin: true,
      replaces: byCookie(old.cookie),
    });
    expect(cookiesOf(created).map(([name]) => name)).to.deep.equal([
      "__Host-prelogin",
      "__Host-csrf",
      "__Host-session",
    ]);
    await expectFailure(validate(app.client, old.cookie), "REVOKED");
  });

  /** Each makes a session and a reference to it that must not end it. */
  const ignored: Record<string, () => Promise<{ ref: ReturnType<typeof byId>; id?: string }>> = {
    "a malformed cookie": async () => ({ ref: byCookie("stale") }),
    "an empty cookie": async () => ({ ref: byCookie("") }),
    "a forged cookie": async () => {
      const { id, cookie } = await openPreLogin();
      return { ref: byCookie(`${cookie.slice(0, -43)}${"A".repeat(43)}`), id };
    },
    "a cookie of a key that does not exist": async () => {
      const { id, cookie, created } = await openPreLogin();
      const keyId = created.session?.signingKeyId as string;
      return { ref: byCookie(cookie.replace(keyId, `sk-${"0".repeat(32)}`)), id };
    },
    "another tenant's cookie": async () => {
      const { id, cookie } = await openPreLogin(newTenant());
      return { ref: byCookie(cookie), id };
    },
    "another tenant's id": async () => {
      const { id } = await openPreLogin(newTenant());
      return { ref: byId(id), id };
    },
    "another tenant's id, said to be this tenant's": async () => {
      const { id } = await openPreLogin(newTenant());
      return { ref: byId(id, "default"), id };
    },
    "an id, said to be another tenant's": async () => {
      const { id } = await openPreLogin();
      return { ref: byId(id, newTenant()), id };
    },
    "an id that no session has": async () => ({ ref: byId(`ses-${"0".repeat(44)}`) }),
    "a revoked session": async () => {
      const { id, cookie } = await openPreLogin();
      await app.client.revoke({ session: byCookie(cookie), actingActorId: "first" });
      return { ref: byCookie(cookie), id };
    },
    "a session past its absolute deadline": async () => {
      const { id, cookie } = await openPreLogin();
      await age(app, id, 600);
      return { ref: byCookie(cookie), id };
    },
    "a session past its idle deadline": async () => {
      const { id, cookie } = await openSession(app.client);
      await idle(app, id, 1800);
      return { ref: byCookie(cookie), id };
    },
  };
  for (const [what, make] of Object.entries(ignored)) {
    it(`logs in and changes no other session if it names ${what} (A25)`, async () => {
      const { ref, id } = await make();
      const before = id && (await sessionRow(app, id));
      let login: OpenedSession | undefined;

      const audit = await auditedBy(app.sql, async () => {
        login = await openSession(app.client, { replaces: ref });
      });

      expect(login?.created.replacedSessionId).to.equal("");
      expect(cookiesOf(login?.created as CreateResponse)).to.have.length(2);
      await validate(app.client, login?.cookie ?? "");
      // Denials are written in the background: those of earlier tests may come this late.
      const ofThis = audit.filter(
        ({ action, resource_id }) => action !== "auth.session_refused" || resource_id === id,
      );
      expect(ofThis.map(({ action }) => action)).to.deep.equal(["auth.session_created"]);
      expect(id && (await sessionRow(app, id))).to.deep.equal(before);
    });
  }

  it("replaces nothing if it names a cookie of a key past its retention (A25)", async () => {
    const tenantId = newTenant();
    const old = await openSession(app.client, { actor: newActor({ tenantId }) });
    await app.client.rotateSigningKey({ tenantId, actingActorId: "key-admin" });
    await app.sql("UPDATE signing_keys SET retired_at = now() - interval '1 year' WHERE id = $1", [
      old.created.session?.signingKeyId,
    ]);
    const { created } = await openSession(app.client, {
      actor: old.actor,
      replaces: byCookie(old.cookie),
    });
    expect(created.replacedSessionId).to.equal("");
  });

  it("ends a session once, however many logins replace it at once (A25)", async () => {
    const preLogin = await openPreLogin();
    const logins = await Promise.all(
      Array.from({ length: 10 }, () =>
        openSession(app.client, { replaces: byCookie(preLogin.cookie) }),
      ),
    );
    const replaced = logins.filter(({ created }) => created.replacedSessionId !== "");
    expect(replaced).to.have.length(1);
    const revocations = (await auditOf(app.sql, preLogin.id)).slice(1);
    expect(revocations.map(({ details }) => details.replaced_by)).to.deep.equal([replaced[0]?.id]);
  });

  it("leaves the old session as it was if the login fails (ASVS 7.2.4)", async () => {
    const preLogin = await openPreLogin();
    const actor = newActor();
    await app.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
    await failureOf(app.client.create({ actor, replaces: byCookie(preLogin.cookie) }));
    await app.sql("ALTER TABLE audit_events_away RENAME TO audit_events");

    expect((await app.client.list({ actor, includeEnded: true })).sessions).to.be.empty;
    const credential = { case: "cookie", value: preLogin.cookie } as const;
    const { session } = await app.client.validate({ credential, acceptPreLogin: true });
    expect(session?.id).to.equal(preLogin.id);
  });
});
