import { expect } from "chai";
import fc from "fast-check";
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
import { expectFailure } from "../support/expect-failure.ts";

/** Within one tenant's scope, what belongs to another is as good as absent. */
describe("tenants (ZITADEL CVE-2026-32131)", () => {
  let app: TestApp;
  const tenants = ["default", newTenant(), newTenant()];
  const sessions: OpenedSession[] = [];

  before(async () => {
    app = await startTestApp();
    for (const tenantId of tenants) {
      // The same actor id everywhere, so that only the tenant tells them apart.
      const actor = newActor({ tenantId, actorId: "alice" });
      sessions.push(await openSession(app.client, { actor }));
    }
  });
  after(() => app.stop());

  type Attempt = (mine: OpenedSession, theirs: OpenedSession) => Promise<unknown>;

  const scoped = (mine: OpenedSession) => mine.actor.tenantId;
  const refs = {
    cookie: (mine: OpenedSession, theirs: OpenedSession) => byCookie(theirs.cookie, scoped(mine)),
    id: (mine: OpenedSession, theirs: OpenedSession) => byId(theirs.id, scoped(mine)),
  };
  const reasons = { cookie: "INVALID_COOKIE", id: "SESSION_NOT_FOUND" } as const;
  const acting = { actingActorId: "alice" };

  type Ref = ReturnType<typeof byId>;
  /** An attempt whose reference to the other tenant's session must be refused. */
  const refused =
    (call: (session: Ref, mine: OpenedSession, theirs: OpenedSession) => Promise<unknown>) =>
    (kind: keyof typeof refs): Attempt =>
    (mine, theirs) =>
      expectFailure(call(refs[kind](mine, theirs), mine, theirs), reasons[kind]);

  /** All that can be tried with another tenant's session, by either of its names. */
  const attempts: Record<string, (kind: keyof typeof refs) => Attempt> = {
    get: refused((session) => app.client.get({ session })),
    touch: refused((session) => app.client.touch({ session })),
    revoke: refused((session) => app.client.revoke({ session, reason: "logout", ...acting })),
    validateCsrf: refused((session, _, { csrfToken }) =>
      app.client.validateCsrf({ session, csrfToken }),
    ),
    rotateCsrf: refused((value) =>
      app.client.rotateCsrf({ target: { case: "session", value }, ...acting }),
    ),
    rotateSession: refused((session) => app.client.rotateSession({ session, ...acting })),
    updateMetadata: refused((session) => app.client.updateMetadata({ session, ...acting })),
    current: refused((current, { actor }) => app.client.list({ actor, current })),
    keep: refused((keep, { actor }) =>
      app.client.revokeAllForActor({ actor, keep, reason: "logout", ...acting }),
    ),
    "keep without a tenant": refused(({ ref }, { actor }) =>
      app.client.revokeAllForActor({ actor, keep: { ref }, reason: "logout", ...acting } as never),
    ),
    "current without a tenant": refused(({ ref }, { actor }) =>
      app.client.list({ actor, current: { ref } } as never),
    ),
    "keep with their tenant": refused(({ ref }, { actor }, theirs) => {
      const keep = { ref, tenantId: scoped(theirs) };
      return app.client.revokeAllForActor({ actor, keep, reason: "logout", ...acting } as never);
    }),
    "current with their tenant": refused(({ ref }, { actor }, theirs) =>
      app.client.list({ actor, current: { ref, tenantId: scoped(theirs) } } as never),
    ),
    replaces: (kind) => async (mine, theirs) => {
      const replaces = kind === "cookie" ? byCookie(theirs.cookie) : byId(theirs.id);
      const { created } = await openSession(app.client, {
        actor: { ...mine.actor, actorId: "bob" },
        replaces,
      });
      expect(created.replacedSessionId).to.equal("");
    },
    list: () => async (mine, theirs) => {
      const { sessions } = await app.client.list({ actor: mine.actor, includeEnded: true });
      expect(sessions.map(({ id }) => id)).not.to.include(theirs.id);
    },
    audit: () => async (mine, theirs) => {
      const request = { tenantId: scoped(mine), resourceId: theirs.id };
      expect((await app.client.listAuditEvents(request)).auditEvents).to.deep.equal([]);
    },
    validate: () => (mine, theirs) =>
      expectFailure(
        app.client.validate({
          credential: { case: "cookie", value: theirs.cookie },
          tenantId: scoped(mine),
          touch: true,
        }),
        "INVALID_COOKIE",
      ),
    splice: () => async (mine, theirs) => {
      const [version, , myKey, myMac] = mine.cookie.split(".");
      const [, theirId, theirKey, theirMac] = theirs.cookie.split(".");
      for (const parts of [
        [version, theirId, myKey, myMac],
        [version, theirId, myKey, theirMac],
        [version, theirId, theirKey, myMac],
      ]) {
        await expectFailure(validate(app.client, parts.join(".")), "INVALID_COOKIE");
      }
    },
  };

  const rowOf = async ({ id }: OpenedSession) =>
    (await app.sql("SELECT * FROM sessions WHERE id = $1", [id]))[0];

  it("keep every credential from working in or on another tenant", async () => {
    const others = fc
      .tuple(fc.nat(tenants.length - 1), fc.integer({ min: 1, max: tenants.length - 1 }))
      .map(([mine, step]) => [mine, (mine + step) % tenants.length] as const);
    const property = fc.asyncProperty(
      others,
      fc.constantFrom(...Object.keys(attempts)),
      fc.constantFrom("cookie" as const, "id" as const),
      async ([one, another], attempt, kind) => {
        const mine = sessions[one] as OpenedSession;
        const theirs = sessions[another] as OpenedSession;
        const before = await rowOf(theirs);

        await attempts[attempt]?.(kind)(mine, theirs);

        expect(await rowOf(theirs)).to.deep.equal(before);
        expect((await validate(app.client, mine.cookie)).session?.tenantId).to.equal(scoped(mine));
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  it("let every session work in its own tenant (the control)", async () => {
    for (const own of sessions) {
      for (const ref of [refs.cookie(own, own), refs.id(own, own)]) {
        expect((await app.client.get({ session: ref })).session?.id).to.equal(own.id);
        await app.client.touch({ session: ref });
      }
      const credential = { case: "cookie", value: own.cookie } as const;
      const { session } = await app.client.validate({ credential, tenantId: scoped(own) });
      expect(session?.id).to.equal(own.id);
    }
  });
});
