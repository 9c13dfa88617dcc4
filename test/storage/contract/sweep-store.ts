import { expect } from "chai";
import type { SessionId } from "../../../src/session/ids.ts";
import { numbers } from "../../support/in-parallel.ts";
import {
  auditOf,
  context,
  create,
  errorOf,
  type Given,
  HOUR,
  newKey,
  newSession,
  newTenant,
  newTokenKey,
  revocation,
  tenantWithKey,
} from "./stores.ts";

/** Deletions are of all tenants, so that these tests look at their own rows and not at counts. */
export function sweepStore(given: Given): void {
  const exists = async (id: SessionId) => (await given().sessions.find(id, context)) !== undefined;

  /** Until there is no more: rows of other tests may come first. */
  async function all(deletion: (limit: number) => Promise<number>): Promise<number> {
    let total = 0;
    for (let count = 100; count === 100; total += count) {
      count = await deletion(100);
      expect(count).to.be.at.most(100);
    }
    return total;
  }

  describe("SweepStore: sessions", () => {
    const sweep = (historyMs: number) =>
      all((limit) => given().sweep.deleteEndedSessions(historyMs, limit, context));

    it("deletes those whose absolute deadline is as long past as the history window", async () => {
      const stores = given();
      const { id } = (await create(stores, newSession(await tenantWithKey(stores)))).session;
      await sweep(0);
      expect(await exists(id), "live").to.equal(true);
      await stores.ageSession(id, 12 * HOUR);
      await sweep(HOUR);
      expect(await exists(id), "within the window").to.equal(true);
      await stores.ageSession(id, HOUR);
      await sweep(HOUR);
      expect(await exists(id), "past the window").to.equal(false);
    });

    it("never deletes a live one, and keeps a revoked one until its deadline", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const { id } = (await create(stores, newSession(tenantId))).session;
      await stores.ageSession(id, 12 * HOUR - 60_000);
      await sweep(0);
      expect(await exists(id)).to.equal(true);
      const revoked = (await create(stores, newSession(tenantId))).session;
      await stores.sessions.revoke(revoked.id, revocation, context);
      await sweep(0);
      expect(await exists(revoked.id)).to.equal(true);
    });

    it("deletes the pre-login ones at their deadline, whatever the history window", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const short = { absoluteTimeoutMs: 600_000 };
      const preLogin = newSession(tenantId, { ...short, preLogin: true });
      const { id } = (await create(stores, preLogin)).session;
      const other = (await create(stores, newSession(tenantId, short))).session;
      const deletion = () => all((limit) => stores.sweep.deletePreLoginSessions(limit, context));
      await deletion();
      expect(await exists(id)).to.equal(true);
      await stores.ageSession(id, 600_000);
      await stores.ageSession(other.id, 600_000);
      await deletion();
      expect([await exists(id), await exists(other.id)]).to.deep.equal([false, true]);
    });

    it("fault 6: deletes no more than the limit, the longest ended first, and says how many", async () => {
      const stores = given();
      await sweep(0);
      const tenantId = await tenantWithKey(stores);
      const ids: SessionId[] = [];
      for (const index of numbers(5)) {
        const { id } = (await create(stores, newSession(tenantId))).session;
        await stores.ageSession(id, (13 + index) * HOUR);
        ids.push(id);
      }
      const { sweep: store } = stores;
      expect(await store.deleteEndedSessions(0, 2, context)).to.equal(2);
      const left = await Promise.all(ids.map(exists));
      expect(left).to.deep.equal([true, true, true, false, false]);
      expect(await store.deleteEndedSessions(0, 10, context)).to.equal(3);
      expect(await store.deleteEndedSessions(0, 10, context)).to.equal(0);
    });
  });

  describe("SweepStore: signing keys and audit", () => {
    const sweepKeys = () => all((limit) => given().sweep.deleteSigningKeys(HOUR, limit, context));

    it("A23: deletes a key past its retention that no session refers to", async () => {
      const stores = given();
      const tenantId = newTenant();
      const [old, key] = [newKey(tenantId), newKey(tenantId)];
      await stores.signingKeys.insertFirst(old, context);
      await stores.signingKeys.rotate(key, "root", context);
      const found = async () => (await stores.signingKeys.find(old.id, context)) !== undefined;
      await sweepKeys();
      expect(await found(), "within its retention").to.equal(true);
      await stores.ageSigningKeys(tenantId, HOUR);
      await sweepKeys();
      expect(await found()).to.equal(false);
      expect(await stores.signingKeys.find(key.id, context), "active").not.to.equal(undefined);
    });

    it("A23: keeps a key that a session refers to, quietly, until that is gone", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const { session } = await create(stores, newSession(tenantId));
      await stores.signingKeys.rotate(newKey(tenantId), "root", context);
      await stores.ageSigningKeys(tenantId, 2 * HOUR);
      const { signingKeyId } = session;
      await sweepKeys();
      expect(await stores.signingKeys.find(signingKeyId, context)).not.to.equal(undefined);
      await stores.ageSession(session.id, 12 * HOUR);
      await all((limit) => stores.sweep.deleteEndedSessions(0, limit, context));
      await sweepKeys();
      expect(await stores.signingKeys.find(signingKeyId, context)).to.equal(undefined);
    });

    it("A23: deletes a token key that has not been published for as long as the retention", async () => {
      const stores = given();
      const { tokenKeys } = stores;
      await stores.deleteTokenKeys();
      const [old, key] = [newTokenKey(), newTokenKey()];
      await tokenKeys.insertFirst(old, context);
      const rotation = { immediately: true, publishDelayMs: 0, keepMs: 0, actingActorId: "root" };
      await tokenKeys.rotate(key, rotation, context);
      const left = async () => {
        await all((limit) => stores.sweep.deleteTokenKeys(HOUR, limit, context));
        const { items } = await tokenKeys.list({ after: undefined, limit: 10 }, context);
        return items.map(({ id }) => id);
      };
      await stores.ageTokenKeys(HOUR - 60_000);
      expect(await left()).to.have.members([old.id, key.id]);
      await stores.ageTokenKeys(60_000);
      expect(await left()).to.deep.equal([key.id]);
    });

    it("deletes audit events past their retention, and no others", async () => {
      const stores = given();
      const old = await tenantWithKey(stores);
      await stores.ageAudit(HOUR);
      const young = await tenantWithKey(stores);
      await all((limit) => stores.sweep.deleteAuditEvents(HOUR, limit, context));
      expect(await auditOf(stores, old)).to.deep.equal([]);
      expect(await auditOf(stores, young)).to.have.length(1);
    });
  });

  describe("SweepStore: withSweepLock", () => {
    it("A24: runs one at a time, and the others not at all", async () => {
      const { sweep } = given();
      let end = () => {};
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      let begun = () => {};
      const hasBegun = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const first = sweep.withSweepLock(async () => {
        begun();
        await ended;
        return "first";
      }, context);
      await hasBegun;
      let ran = false;
      const second = await sweep.withSweepLock(async () => {
        ran = true;
      }, context);
      expect([second, ran]).to.deep.equal([undefined, false]);
      end();
      expect(await first).to.equal("first");
      expect(await sweep.withSweepLock(async () => "next", context)).to.equal("next");
    });

    it("lets go of the lock when the work fails, and passes its error on", async () => {
      const { sweep } = given();
      const failure = new Error("mine");
      const call = sweep.withSweepLock(async () => {
        throw failure;
      }, context);
      expect(await errorOf(call)).to.equal(failure);
      expect(await sweep.withSweepLock(async () => "next", context)).to.equal("next");
    });
  });
}
