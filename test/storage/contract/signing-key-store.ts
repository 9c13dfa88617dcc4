import { expect } from "chai";
import type { SigningKeyId, TenantId } from "../../../src/session/ids.ts";
import type { SigningKey, StoredSigningKey } from "../../../src/session/signing-key.ts";
import { numbers } from "../../support/in-parallel.ts";
import { auditOf, context, type Given, newKey, newTenant, tenantWithKey } from "./stores.ts";

export function signingKeyStore(given: Given): void {
  async function keysOf(tenantId: TenantId): Promise<readonly SigningKey[]> {
    const options = { after: undefined, limit: 200 };
    return (await given().signingKeys.list(tenantId, options, context)).items;
  }

  const activeOf = async (tenantId: TenantId) =>
    (await keysOf(tenantId)).filter(({ retiredAt }) => retiredAt === undefined);

  describe("SigningKeyStore: the first key", () => {
    it("A18: is stored as it is given, active, and audited as a bootstrap", async () => {
      const stores = given();
      const key = newKey(newTenant());
      const before = await stores.now();
      expect(await stores.signingKeys.insertFirst(key, context)).to.equal(true);
      const found = await stores.signingKeys.find(key.id, context);
      expect(found).to.deep.equal({ ...key, createdAt: found?.createdAt, retiredAt: undefined });
      expect(found?.createdAt).to.be.within(before, await stores.now());
      const audit = await auditOf(stores, key.tenantId);
      expect(audit.map(({ action, resourceId }) => [action, resourceId])).to.deep.equal([
        ["auth.session_signing_key_bootstrap", key.id],
      ]);
    });

    it("A18: is not made where there is one, and that is not audited", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const second = newKey(tenantId);
      expect(await stores.signingKeys.insertFirst(second, context)).to.equal(false);
      expect(await stores.signingKeys.find(second.id, context)).to.equal(undefined);
      expect(await auditOf(stores, tenantId)).to.have.length(1);
    });

    it("A18: is one, however many try at once", async () => {
      const stores = given();
      const tenantId = newTenant();
      const made = await Promise.all(
        numbers(20).map(() => stores.signingKeys.insertFirst(newKey(tenantId), context)),
      );
      expect(made.filter(Boolean)).to.have.length(1);
      expect(await keysOf(tenantId)).to.have.length(1);
      expect(await auditOf(stores, tenantId)).to.have.length(1);
    });
  });

  describe("SigningKeyStore: rotation", () => {
    it("A19: retires the active key for the new one, at one instant, audited with both", async () => {
      const stores = given();
      const tenantId = newTenant();
      const [old, key] = [newKey(tenantId), newKey(tenantId)];
      await stores.signingKeys.insertFirst(old, context);
      const { now, active, retired } = await stores.signingKeys.rotate(key, "root", context);
      expect(active).to.deep.equal({
        id: key.id,
        tenantId,
        createdAt: active.createdAt,
        retiredAt: undefined,
      });
      expect(retired).to.deep.include({ id: old.id, tenantId });
      expect(retired?.retiredAt).to.be.at.most(now);
      expect(await keysOf(tenantId)).to.have.deep.members([active, retired]);
      expect((await stores.signingKeys.find(key.id, context))?.encrypted).to.deep.equal(
        key.encrypted,
      );
      expect((await auditOf(stores, tenantId)).at(-1)).to.deep.equal({
        action: "auth.session_signing_key_rotated",
        actingActorId: "root",
        callingService: "contract",
        tenantId,
        resourceType: "signing_key",
        resourceId: key.id,
        details: { active_key_id: key.id, retired_key_id: old.id },
      });
    });

    it("makes the first key of a tenant that has none", async () => {
      const key = newKey(newTenant());
      const { active, retired } = await given().signingKeys.rotate(key, "root", context);
      expect([active.id, retired]).to.deep.equal([key.id, undefined]);
    });

    it("leaves exactly one active key, however many rotate at once, and all succeed", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      const rotated = await Promise.all(
        numbers(20).map(() => stores.signingKeys.rotate(newKey(tenantId), "root", context)),
      );
      expect(await activeOf(tenantId)).to.have.length(1);
      expect(await keysOf(tenantId)).to.have.length(21);
      const retired = rotated.map((outcome) => outcome.retired?.id);
      expect(new Set(retired).size, "each retired another one").to.equal(20);
    });

    it("does not touch another tenant's key", async () => {
      const stores = given();
      const other = await tenantWithKey(stores);
      const before = await keysOf(other);
      await stores.signingKeys.rotate(newKey(newTenant()), "root", context);
      expect(await keysOf(other)).to.deep.equal(before);
    });
  });

  describe("SigningKeyStore: reading and re-wrapping", () => {
    it("A09: finds nothing for an id that no key has", async () => {
      expect(await given().signingKeys.find(newKey(newTenant()).id, context)).to.equal(undefined);
    });

    it("finds a tenant's active key, and nothing for a tenant without one", async () => {
      const { signingKeys } = given();
      const tenantId = newTenant();
      expect(await signingKeys.findActive(tenantId, context)).to.equal(undefined);
      const [old, key] = [newKey(tenantId), newKey(tenantId)];
      await signingKeys.insertFirst(old, context);
      const found = await signingKeys.findActive(tenantId, context);
      expect(found).to.deep.equal({ ...old, createdAt: found?.createdAt, retiredAt: undefined });
      await signingKeys.rotate(key, "root", context);
      expect((await signingKeys.findActive(tenantId, context))?.id).to.equal(key.id);
    });

    it("gives all keys of all tenants, each once, more than fit into a batch", async () => {
      const stores = given();
      const tenants = numbers(600).map(() => newTenant());
      const ids: SigningKeyId[] = [];
      for (const tenantId of tenants) {
        const key = newKey(tenantId);
        ids.push(key.id);
        await stores.signingKeys.insertFirst(key, context);
      }
      const found: StoredSigningKey[] = [];
      for await (const key of stores.signingKeys.all(context)) found.push(key);
      const foundIds = found.map(({ id }) => id);
      expect(foundIds).to.include.members(ids);
      expect(new Set(foundIds).size).to.equal(foundIds.length);
    });

    it("re-wraps a key, unless another process has done so", async () => {
      const { signingKeys } = given();
      const tenantId = newTenant();
      const key = newKey(tenantId);
      await signingKeys.insertFirst(key, context);
      const [one, two] = [newKey(tenantId).encrypted, newKey(tenantId).encrypted];
      expect(await signingKeys.rewrap(key.id, key.encrypted, one, context)).to.equal(true);
      expect((await signingKeys.find(key.id, context))?.encrypted).to.deep.equal(one);
      expect(await signingKeys.rewrap(key.id, key.encrypted, two, context)).to.equal(false);
      expect((await signingKeys.find(key.id, context))?.encrypted).to.deep.equal(one);
      expect(await signingKeys.rewrap(newKey(tenantId).id, one, two, context)).to.equal(false);
    });

    it("lists a tenant's keys newest first, page by page, without their material", async () => {
      const stores = given();
      const tenantId = await tenantWithKey(stores);
      for (const _ of numbers(4)) {
        await stores.ageSigningKeys(tenantId, 1000);
        await stores.signingKeys.rotate(newKey(tenantId), "root", context);
      }
      const all = await keysOf(tenantId);
      const times = all.map(({ createdAt }) => createdAt);
      expect(times).to.deep.equal(times.toSorted((a, b) => b - a));
      expect(Object.keys(all[0] ?? {})).to.have.members([
        "id",
        "tenantId",
        "createdAt",
        "retiredAt",
      ]);
      const found: SigningKey[] = [];
      let after: SigningKey | undefined;
      for (let more = true; more; ) {
        const page = await stores.signingKeys.list(tenantId, { after, limit: 2 }, context);
        found.push(...page.items);
        after = page.items.at(-1);
        ({ more } = page);
      }
      expect(found).to.deep.equal(all);
    });
  });
}
