import { expect } from "chai";
import type { SessionLimit } from "../../../src/session/policy.ts";
import { stateAt } from "../../../src/session/session.ts";
import { numbers } from "../../support/in-parallel.ts";
import {
  auditOf,
  context,
  create,
  firstKey,
  type Given,
  HOUR,
  newKey,
  newSession,
  newTenant,
  noLimit,
  revocation,
  rotationOf,
  tenantWithKey,
} from "./stores.ts";

/** SessionStore: create, and reading what was created. */
export function sessionStoreCreates(given: Given): void {
  describe("SessionStore: create", () => {
    it("stores what it is given, at the storage's clock, under the tenant's active key", async () => {
      const stores = given();
      const tenantId = newTenant();
      const key = newKey(tenantId);
      await stores.signingKeys.insertFirst(key, context);
      const session = newSession(tenantId, { signingKeyId: key.id });
      const before = await stores.now();
      const created = await create(stores, session);
      const { absoluteTimeoutMs, ...facts } = session;
      expect(created.session).to.deep.equal({
        ...facts,
        createdAt: created.now,
        lastSeenAt: created.now,
        absoluteExpiresAt: created.now + absoluteTimeoutMs,
        revokedAt: undefined,
        revokeReason: "",
        revokedBy: "",
        signingKeyId: key.id,
        authenticatedAt: created.now,
        metadataEtag: "1",
      });
      expect(created.now).to.be.within(before, await stores.now());
      expect(Number.isInteger(created.now), "whole milliseconds").to.equal(true);
      expect(created.replaced).to.equal(undefined);

      const found = await stores.sessions.find(session.id, context);
      expect(found?.session).to.deep.equal(created.session);
      const byCookie = await stores.sessions.findByCookie(session.id, key.id, context);
      expect(byCookie.session).to.deep.equal(created.session);
      expect(byCookie.signingKey).to.deep.equal({ retiredAt: undefined });
      expect(byCookie.now).to.be.within(created.now, await stores.now());
    });

    it("returns each of several at once as it is stored", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const { session: old } = await create(stores, newSession(tenantId));
      const other = (await create(stores, newSession(tenantId))).session;
      const made = [
        newSession(tenantId),
        newSession(tenantId, { preLogin: true, actorType: "", actorId: "", authenticatedAt: 1 }),
        newSession(tenantId, { authenticatedAt: Date.now() - HOUR, authLevel: 2 }),
        newSession(tenantId, { authenticatedAt: Date.now() + HOUR, authMethods: ["pwd", "otp"] }),
        newSession(tenantId, { metadata: { 'a"b': "\\ {,} 'ü\u{1f512}\n", NULL: "NULL" } }),
        newSession(tenantId, { actorId: '{"a","b"}', userAgent: "\\", ipAddress: "" }),
        newSession(tenantId, { idleTimeoutMs: 1000, absoluteTimeoutMs: 400 * 24 * HOUR }),
      ];
      for (const replaces of [undefined, old.id]) {
        const created = await Promise.all(
          made.map((session, index) => {
            const id = newSession(tenantId).id;
            return create(stores, { ...session, id }, index === 0 ? replaces : undefined);
          }),
        );
        for (const { session } of created) {
          const found = await stores.sessions.find(session.id, context);
          expect(found?.session).to.deep.equal(session);
        }
        expect(created[0]?.replaced?.id).to.equal(replaces);
      }
      expect((await stores.sessions.find(other.id, context))?.session).to.deep.equal(other);
    });

    it("fault 5: audits it, by its actor and with the calling service", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const { id } = newSession(tenantId);
      await create(stores, newSession(tenantId, { id }));
      expect((await auditOf(stores, tenantId)).at(-1)).to.deep.equal({
        action: "auth.session_created",
        actingActorId: "alice",
        callingService: "contract",
        tenantId,
        resourceType: "session",
        resourceId: id,
        details: { actor_type: "user", pre_login: "false" },
      });
    });

    it("stores nothing, and replaces nothing, with a key that is not the tenant's active one", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const { session: old } = await create(stores, newSession(tenantId));
      await stores.signingKeys.rotate(newKey(tenantId), "root", context);
      const audit = await auditOf(stores, tenantId);
      const foreign = firstKey(await tenantWithKey(stores));
      for (const key of [firstKey(tenantId), newKey(tenantId), foreign]) {
        const session = newSession(tenantId, { signingKeyId: key.id });
        for (const limit of [noLimit, { maxPerActor: 1, policy: "evict_oldest" } as const]) {
          const outcome = await stores.sessions.create(session, old.id, limit, context);
          expect(outcome).to.deep.equal({ kind: "key_not_active" });
        }
        expect(await stores.sessions.find(session.id, context)).to.equal(undefined);
      }
      expect((await stores.sessions.find(old.id, context))?.session).to.deep.equal(old);
      expect(await auditOf(stores, tenantId)).to.deep.equal(audit);
    });

    it("A25: stores a pre-login session of nobody", async () => {
      const stores = given();
      const nobody = { preLogin: true, actorType: "", actorId: "" };
      const { session } = await create(stores, newSession(await tenantWithKey(stores), nobody));
      expect(session).to.include(nobody);
    });

    it("ASVS 7.2.4: ends the live session that it replaces, audited, and says which", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const old = (await create(stores, newSession(tenantId, { preLogin: true }))).session;
      const { session, now, replaced } = await create(stores, newSession(tenantId), old.id);
      expect(replaced).to.deep.equal({ id: old.id, preLogin: true });
      const after = await stores.sessions.find(old.id, context);
      expect(after?.session).to.deep.equal({
        ...old,
        revokedAt: now,
        revokeReason: "replaced",
        revokedBy: "alice",
      });
      const audit = await auditOf(stores, tenantId);
      expect(audit.find(({ action }) => action === "auth.session_revoked")).to.deep.include({
        resourceId: old.id,
        details: { reason: "replaced", replaced_by: session.id },
      });
    });

    it("replaces no session that is absent, ended or of another tenant, and succeeds", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const ended = (await create(stores, newSession(tenantId))).session;
      await stores.sessions.revoke(ended.id, revocation, context);
      const idle = (await create(stores, newSession(tenantId))).session;
      await stores.ageSession(idle.id, HOUR);
      const foreign = (await create(stores, newSession(await tenantWithKey(stores)))).session;
      const absent = newSession(tenantId).id;
      for (const id of [ended.id, idle.id, foreign.id, absent]) {
        expect((await create(stores, newSession(tenantId), id)).replaced).to.equal(undefined);
      }
      const kept = await stores.sessions.find(foreign.id, context);
      expect(kept?.session.revokedAt).to.equal(undefined);
      expect((await stores.sessions.find(ended.id, context))?.session.revokeReason).to.equal(
        revocation.reason,
      );
    });
  });

  describe("SessionStore: create that replaces a session that has been rotated", () => {
    for (const [how, limit] of Object.entries({
      "without a limit": noLimit,
      "at the limit, rejecting": { maxPerActor: 1, policy: "reject" },
      "at the limit, evicting": { maxPerActor: 1, policy: "evict_oldest" },
    } as const)) {
      it(`stores nothing, and says into which: ${how}`, async () => {
        const stores = given();
        const tenantId = await tenantWithKey(stores);
        const old = (await create(stores, newSession(tenantId))).session;
        const rotation = rotationOf(old);
        await stores.sessions.rotate(old.id, rotation, context);
        const audit = await auditOf(stores, tenantId);
        for (const actorId of ["alice", "bob"]) {
          const session = newSession(tenantId, { actorId });
          const outcome = await stores.sessions.create(session, old.id, limit, context);
          expect(outcome).to.deep.equal({
            kind: "replaced_was_rotated",
            successorId: rotation.newId,
          });
          expect(await stores.sessions.find(session.id, context)).to.equal(undefined);
        }
        const successor = await stores.sessions.find(rotation.newId, context);
        expect(successor?.session.revokedAt).to.equal(undefined);
        expect(await auditOf(stores, tenantId)).to.deep.equal(audit);
      });
    }
  });

  describe("SessionStore: the limit", () => {
    async function liveOf(tenantId: Awaited<ReturnType<typeof tenantWithKey>>) {
      const actor = { tenantId, actorType: "user", actorId: "alice" };
      const options = { includeEnded: false, after: undefined, limit: 200 };
      const { items } = await given().sessions.list(actor, options, context);
      return items.filter(({ preLogin }) => !preLogin).map(({ id }) => id);
    }

    it("refuses one more where the policy is to reject, and stores nothing of it", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const limit: SessionLimit = { maxPerActor: 2, policy: "reject" };
      for (const _ of numbers(2)) await create(stores, newSession(tenantId), undefined, limit);
      const audited = (await auditOf(stores, tenantId)).length;
      const outcome = await stores.sessions.create(newSession(tenantId), undefined, limit, context);
      const { items } = await stores.sessions.list(
        { tenantId, actorType: "user", actorId: "alice" },
        { includeEnded: false, after: undefined, limit: 3 },
        context,
      );
      expect(outcome).to.deep.equal({
        kind: "limit_reached",
        limit: 2,
        total: 2,
        oldest: items.toReversed(),
      });
      expect(await liveOf(tenantId)).to.have.length(2);
      expect(await auditOf(stores, tenantId)).to.have.length(audited);
      // Of another actor, or before login, it does not count.
      await create(stores, newSession(tenantId, { actorId: "bob" }), undefined, limit);
      await create(stores, newSession(tenantId, { preLogin: true }), undefined, limit);
    });

    it("counts neither ended sessions nor the one that is replaced", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const limit: SessionLimit = { maxPerActor: 1, policy: "reject" };
      const first = await create(stores, newSession(tenantId), undefined, limit);
      const second = await create(stores, newSession(tenantId), first.session.id, limit);
      expect(second.replaced?.id).to.equal(first.session.id);
      await stores.sessions.revoke(second.session.id, revocation, context);
      const third = await create(stores, newSession(tenantId), undefined, limit);
      await stores.ageSession(third.session.id, HOUR);
      await create(stores, newSession(tenantId), undefined, limit);
    });

    it("ends the oldest where the policy is to evict, audited", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const limit: SessionLimit = { maxPerActor: 2, policy: "evict_oldest" };
      const opened = [];
      for (const age of [3, 2, 1]) {
        const { session } = await create(stores, newSession(tenantId));
        await stores.ageSession(session.id, age * 60_000);
        opened.push(session.id);
      }
      const newest = await create(stores, newSession(tenantId), undefined, limit);
      expect(await liveOf(tenantId)).to.deep.equal([newest.session.id, opened[2]]);
      const evictions = (await auditOf(stores, tenantId)).filter(
        ({ details }) => details.reason === "session_limit",
      );
      expect(evictions.map(({ resourceId }) => resourceId)).to.have.members(opened.slice(0, 2));
    });

    for (const policy of ["reject", "evict_oldest"] as const) {
      it(`ASVS 7.1.2: holds however many come at once: ${policy}`, async () => {
        const stores = given();
        const tenantId = await tenantWithKey(stores);
        const limit: SessionLimit = { maxPerActor: 3, policy };
        const outcomes = await Promise.all(
          numbers(20).map(() =>
            stores.sessions.create(newSession(tenantId), undefined, limit, context),
          ),
        );
        const live = await liveOf(tenantId);
        expect(live).to.have.length(3);
        const created = outcomes.filter(({ kind }) => kind === "created");
        expect(created).to.have.length(policy === "reject" ? 3 : 20);
      });
    }
  });

  describe("SessionStore: reading", () => {
    it("finds nothing for an unknown session, and tells that from an unknown key", async () => {
      const { sessions, signingKeys } = given();
      const tenantId = newTenant();
      const key = newKey(tenantId);
      await signingKeys.insertFirst(key, context);
      const { id } = newSession(tenantId);
      expect(await sessions.find(id, context)).to.equal(undefined);
      const noSession = await sessions.findByCookie(id, key.id, context);
      expect([noSession.session, noSession.signingKey]).to.deep.equal([
        undefined,
        { retiredAt: undefined },
      ]);
      const noKey = await sessions.findByCookie(id, newKey(tenantId).id, context);
      expect([noKey.session, noKey.signingKey]).to.deep.equal([undefined, undefined]);
    });

    it("finds no session by another key than the one that signed its cookie", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const { session } = await create(stores, newSession(tenantId));
      const other = newKey(tenantId);
      await stores.signingKeys.rotate(other, "root", context);
      const read = await stores.sessions.findByCookie(session.id, other.id, context);
      expect(read.session).to.equal(undefined);
      const own = await stores.sessions.findByCookie(session.id, session.signingKeyId, context);
      expect(own.session?.id).to.equal(session.id);
      expect(own.signingKey?.retiredAt).to.be.a("number");
    });

    it("finds ended sessions: their state is the reader's to tell", async () => {
      const stores = given();
      const { session } = await create(stores, newSession(await tenantWithKey(stores)));
      await stores.ageSession(session.id, HOUR);
      const read = await stores.sessions.find(session.id, context);
      expect(read && stateAt(read.session, read.now)).to.equal("IDLE_EXPIRED");
    });
  });
}
