import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { csrfTokenMatches, mintCsrfToken } from "../../src/session/csrf.ts";
import { secureRandomBytes } from "../../src/session/ids.ts";
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
import { cloneSessions } from "../support/clone-sessions.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { sessionRow } from "../support/session-row.ts";

describe("CSRF tokens", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** The calls that check a token: all of them have to agree. */
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
    it(`accepts the session's token in ${way} (A13)`, async () => {
      const opened = await openSession(app.client);
      expect((await check(opened, opened.csrfToken)).session?.id).to.equal(opened.id);
    });

    it(`refuses an empty or blank token in ${way} with CSRF_MISSING (A13)`, async () => {
      const opened = await openSession(app.client);
      for (const blank of ["", " ", "\t\n", "\u00a0"]) {
        await expectFailure(check(opened, blank), "CSRF_MISSING");
      }
    });

    it(`refuses a wrong token in ${way} with CSRF_MISMATCH (A13)`, async () => {
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

    it(`refuses another session's token in ${way}, of the same actor too (A13)`, async () => {
      const opened = await openSession(app.client);
      const sibling = await openSession(app.client, { actor: opened.actor });
      const stranger = await openSession(app.client);
      await expectFailure(check(opened, sibling.csrfToken), "CSRF_MISMATCH");
      await expectFailure(check(opened, stranger.csrfToken), "CSRF_MISMATCH");
    });

    it(`refuses a token from before a rotation in ${way} (A13)`, async () => {
      const opened = await openSession(app.client);
      const [rotated] = (await rotate(opened)).rotated;
      await expectFailure(check(opened, opened.csrfToken), "CSRF_MISMATCH");
      expect((await check(opened, rotated?.csrfToken ?? "")).session?.id).to.equal(opened.id);
    });

    it(`refuses an ended session in ${way} with any token (A13)`, async () => {
      const opened = await openSession(app.client);
      await app.client.revoke({ session: byCookie(opened.cookie) });
      await expectFailure(check(opened, opened.csrfToken), "REVOKED");
      await expectFailure(check(opened, ""), "REVOKED");
    });
  }

  it("does not require a token in Validate (A13)", async () => {
    const { id, cookie } = await openSession(app.client);
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
  });

  it("returns a new token, stores only its hash and audits the rotation (A20, B01)", async () => {
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

  it("requires the acting actor of a rotation by session id (A20)", async () => {
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

  it("rotates the tokens of all live sessions of an actor and no others (A20)", async () => {
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

  it("refuses a rotation for an actor with more than 5000 live sessions (A20)", async () => {
    const opened = await openSession(app.client);
    await cloneSessions(app.sql, opened.id, 5000);
    const target = { case: "actor", value: opened.actor } as const;
    const call = app.client.rotateCsrf({ target, actingActorId: "admin-7" });
    await expectFailure(call, "INVALID_REQUEST", { field: "actor" });
    await ways.Validate(opened, opened.csrfToken);
  });

  it("returns no tokens for an actor without sessions (A20)", async () => {
    const target = { case: "actor", value: newActor() } as const;
    const { rotated } = await app.client.rotateCsrf({ target, actingActorId: "admin-7" });
    expect(rotated).to.be.empty;
  });

  it("refuses a rotation for an ended session and keeps its hash (A20)", async () => {
    const opened = await openSession(app.client);
    await idle(app, opened.id, 31 * 60);
    const before = await sessionRow(app, opened.id);
    await expectFailure(rotate(opened), "EXPIRED_IDLE");
    expect(await sessionRow(app, opened.id)).to.deep.equal(before);
  });

  it("mints 32 random bytes in base64url (B01)", () => {
    const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => 255 - index));
    const sizes: number[] = [];
    const { token } = mintCsrfToken((size) => {
      sizes.push(size);
      return bytes;
    });
    expect(sizes).to.deep.equal([32]);
    expect(token).to.match(/^[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(token, "base64url")).to.deep.equal(bytes);
  });

  it("matches a hash with the text of its own token only (A13, property)", () => {
    const { token, hash } = mintCsrfToken(secureRandomBytes);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
        expect(csrfTokenMatches(text, hash)).to.equal(text === token);
      }),
      { examples: [[token], [""], [mintCsrfToken(secureRandomBytes).token]] },
    );
  });
});
