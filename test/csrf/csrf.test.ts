import { createHash } from "node:crypto";
import { expect } from "chai";
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
import { auditedBy } from "../support/audit-rows.ts";
import { age, idle } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

describe("behaviours: CSRF tokens", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** The ways in which a token can be checked: all of them have to agree. */
  const ways = {
    "ValidateCsrf by cookie": ({ cookie }: OpenedSession, csrfToken: string) =>
      app.client.validateCsrf({ session: byCookie(cookie), csrfToken }),
    "ValidateCsrf by id": ({ id }: OpenedSession, csrfToken: string) =>
      app.client.validateCsrf({ session: byId(id), csrfToken }),
    Validate: ({ cookie }: OpenedSession, csrfToken: string) =>
      app.client.validate({ credential: { case: "cookie", value: cookie }, csrfToken }),
  };
  const rotate = (session: OpenedSession) =>
    app.client.rotateCsrf({ target: { case: "session", value: byCookie(session.cookie) } });

  for (const [way, check] of Object.entries(ways)) {
    it(`A13: ${way} accepts the session's token`, async () => {
      const opened = await openSession(app.client);
      expect((await check(opened, opened.csrfToken)).session?.id).to.equal(opened.id);
    });

    it(`A13: ${way} finds an empty or blank token CSRF_MISSING`, async () => {
      const opened = await openSession(app.client);
      for (const blank of ["", " ", "\t\n", "\u00a0"]) {
        await expectFailure(check(opened, blank), "CSRF_MISSING");
      }
    });

    it(`A13: ${way} finds a wrong token CSRF_MISMATCH`, async () => {
      const opened = await openSession(app.client);
      const { csrfToken } = opened;
      const first = csrfToken.startsWith("A") ? "B" : "A";
      const wrong = [
        first + csrfToken.slice(1),
        csrfToken.slice(0, -1),
        `${csrfToken}=`,
        ` ${csrfToken}`,
        csrfToken.toLowerCase() === csrfToken ? "x" : csrfToken.toLowerCase(),
        createHash("sha256").update(csrfToken).digest("hex"),
        "x".repeat(10_000),
        opened.cookie,
      ];
      for (const token of wrong) await expectFailure(check(opened, token), "CSRF_MISMATCH");
    });

    it(`A13: ${way} finds another session's token CSRF_MISMATCH, the same actor's too`, async () => {
      const opened = await openSession(app.client);
      const sibling = await openSession(app.client, { actor: opened.actor });
      const stranger = await openSession(app.client);
      await expectFailure(check(opened, sibling.csrfToken), "CSRF_MISMATCH");
      await expectFailure(check(opened, stranger.csrfToken), "CSRF_MISMATCH");
    });

    it(`A13: ${way} finds a token from before a rotation CSRF_MISMATCH`, async () => {
      const opened = await openSession(app.client);
      const [rotated] = (await rotate(opened)).rotated;
      await expectFailure(check(opened, opened.csrfToken), "CSRF_MISMATCH");
      expect((await check(opened, rotated?.csrfToken ?? "")).session?.id).to.equal(opened.id);
    });

    it(`A13: ${way} refuses an ended session whatever the token`, async () => {
      const opened = await openSession(app.client);
      await app.client.revoke({ session: byCookie(opened.cookie) });
      await expectFailure(check(opened, opened.csrfToken), "REVOKED");
      await expectFailure(check(opened, ""), "REVOKED");
    });
  }

  it("A13: Validate without a token does not ask for one", async () => {
    const { id, cookie } = await openSession(app.client);
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
  });

  it("A20: RotateCsrf returns a new token, stores its hash, and is audited with the actor", async () => {
    const opened = await openSession(app.client);
    let answer: Awaited<ReturnType<typeof rotate>> | undefined;

    const audit = await auditedBy(app.sql, async () => {
      answer = await rotate(opened);
    });

    const [rotated, ...others] = answer?.rotated ?? [];
    expect(others).to.be.empty;
    expect(rotated?.sessionId).to.equal(opened.id);
    expect(rotated?.csrfToken).to.match(/^[\w-]{43}$/);
    expect(rotated?.csrfToken).to.not.equal(opened.csrfToken);
    expect(rotated?.setCookie).to.deep.include({
      name: "__Host-csrf",
      value: rotated?.csrfToken,
      httpOnly: false,
    });
    const hash = createHash("sha256")
      .update(rotated?.csrfToken ?? "")
      .digest();
    expect((await sessionRow(app, opened.id))?.csrf_token_hash).to.deep.equal(hash);
    expect(audit).to.deep.equal([
      {
        category: "auth",
        action: "auth.session_csrf_rotated",
        acting_actor_id: opened.actor.actorId,
        calling_service: "",
        tenant_id: "default",
        resource_type: "session",
        resource_id: opened.id,
        details: {},
      },
    ]);
  });

  it("A20: who names the session by its id must say who acts", async () => {
    const { id } = await openSession(app.client);
    const target = { case: "session", value: byId(id) } as const;
    await expectFailure(app.client.rotateCsrf({ target }), "INVALID_REQUEST", {
      field: "acting_actor_id",
    });
    const audit = await auditedBy(app.sql, () =>
      app.client.rotateCsrf({ target, actingActorId: "support-agent" }),
    );
    expect(audit.map((row) => row.acting_actor_id)).to.deep.equal(["support-agent"]);
  });

  it("A20: all live sessions of an actor get tokens, and no others", async () => {
    const tenantId = newTenant();
    const actor = newActor({ tenantId });
    const fresh = await openSession(app.client, { actor });
    // Opened long before, and active until now: far past its first idle window.
    const active = await openSession(app.client, { actor });
    await age(app, active.id, 6 * 3600);
    await idle(app, active.id, 10);
    const idleExpired = await openSession(app.client, { actor });
    await idle(app, idleExpired.id, 31 * 60);
    const revoked = await openSession(app.client, { actor });
    await app.client.revoke({ session: byCookie(revoked.cookie) });
    const strangers = [
      await openSession(app.client, { actor: { ...actor, actorType: "service_account" } }),
      await openSession(app.client, { actor: { ...actor, tenantId: newTenant() } }),
      await openSession(app.client, { actor: newActor({ tenantId }) }),
    ];
    let rotated: { sessionId: string; csrfToken: string }[] = [];

    const audit = await auditedBy(app.sql, async () => {
      const target = { case: "actor", value: actor } as const;
      ({ rotated } = await app.client.rotateCsrf({ target, actingActorId: "admin-7" }));
    });

    expect(rotated.map(({ sessionId }) => sessionId)).to.have.members([fresh.id, active.id]);
    for (const opened of [fresh, active]) {
      const token = rotated.find(({ sessionId }) => sessionId === opened.id)?.csrfToken ?? "";
      await ways.Validate(opened, token);
      await expectFailure(ways.Validate(opened, opened.csrfToken), "CSRF_MISMATCH");
    }
    for (const stranger of strangers) await ways.Validate(stranger, stranger.csrfToken);

    const common = { category: "auth", acting_actor_id: "admin-7", calling_service: "" };
    expect(audit).to.have.deep.members([
      ...[fresh, active].map(({ id }) => ({
        ...common,
        action: "auth.session_csrf_rotated",
        tenant_id: tenantId,
        resource_type: "session",
        resource_id: id,
        details: {},
      })),
      {
        ...common,
        action: "auth.sessions_csrf_rotated_for_actor",
        tenant_id: tenantId,
        resource_type: "actor",
        resource_id: actor.actorId,
        details: { actor_type: "user", count: "2" },
      },
    ]);
  });

  it("A20: an actor without sessions gets no tokens", async () => {
    const target = { case: "actor", value: newActor() } as const;
    const { rotated } = await app.client.rotateCsrf({ target, actingActorId: "admin-7" });
    expect(rotated).to.be.empty;
  });

  it("A20: an ended session gets no token, and its hash stays", async () => {
    const opened = await openSession(app.client);
    await idle(app, opened.id, 31 * 60);
    const before = await sessionRow(app, opened.id);
    await expectFailure(rotate(opened), "EXPIRED_IDLE");
    expect(await sessionRow(app, opened.id)).to.deep.equal(before);
  });
});
