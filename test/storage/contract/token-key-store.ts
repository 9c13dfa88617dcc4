import { expect } from "chai";
import { DEFAULT_TENANT, type TokenKeyId } from "../../../src/session/ids.ts";
import {
  type StoredTokenKey,
  type TokenKey,
  tokenKeyStateAt,
} from "../../../src/session/token-key.ts";
import type { TokenKeyRotation } from "../../../src/session/token-key-store.ts";
import { numbers } from "../../support/in-parallel.ts";
import { anyAudit, context, type Given, HOUR, newTokenKey } from "./stores.ts";

const SECOND = 1000;
const rotation: TokenKeyRotation = {
  immediately: false,
  publishDelayMs: 600 * SECOND,
  keepMs: 360 * SECOND,
  actingActorId: "root",
};

export function tokenKeyStore(given: Given): void {
  const fromEmpty = () => beforeEach(() => given().deleteTokenKeys());
  const list = async (): Promise<readonly TokenKey[]> =>
    (await given().tokenKeys.list({ after: undefined, limit: 200 }, context)).items;
  const publishedIds = async () =>
    (await given().tokenKeys.published(context)).keys.map(({ id }) => id);
  const firstKey = async () => {
    const key = newTokenKey();
    await given().tokenKeys.insertFirst(key, context);
    return key;
  };
  async function auditOf(resourceId: TokenKeyId) {
    const query = { ...anyAudit, tenantId: DEFAULT_TENANT, resourceId };
    const { items } = await given().audit.list(query, context);
    return items.map(({ id, category, occurredAt, ...entry }) => entry);
  }

  describe("TokenKeyStore: the first key", () => {
    fromEmpty();

    it("H02: is stored as it is given, signs at once, and is audited as a bootstrap", async () => {
      const { tokenKeys } = given();
      expect(await tokenKeys.published(context)).to.deep.equal({ now: 0, keys: [] });
      const key = newTokenKey("EdDSA");
      expect(await tokenKeys.insertFirst(key, context)).to.equal(true);
      const { now, keys } = await tokenKeys.published(context);
      const [stored] = keys as [StoredTokenKey];
      const { createdAt } = stored;
      expect(keys).to.deep.equal([
        { ...key, createdAt, signsFrom: createdAt, publishedUntil: undefined },
      ]);
      expect(now - createdAt).to.be.within(0, 600 * SECOND);
      expect(await auditOf(key.id)).to.deep.equal([
        {
          action: "auth.token_key_bootstrap",
          actingActorId: "",
          callingService: "sessiond",
          tenantId: "default",
          resourceType: "token_key",
          resourceId: key.id,
          details: {},
        },
      ]);
    });

    it("H02: is one, however many try at once, and is not made where there is one", async () => {
      const { tokenKeys } = given();
      const made = await Promise.all(
        numbers(20).map(() => tokenKeys.insertFirst(newTokenKey(), context)),
      );
      expect(made.filter(Boolean)).to.have.length(1);
      expect(await list()).to.have.length(1);
      const further = newTokenKey();
      expect(await tokenKeys.insertFirst(further, context)).to.equal(false);
      expect(await auditOf(further.id)).to.deep.equal([]);
    });
  });

  describe("TokenKeyStore: rotation", () => {
    fromEmpty();

    it("H02: publishes the new key before it signs, and the former one until after that", async () => {
      const { tokenKeys } = given();
      const old = await firstKey();
      const key = newTokenKey();
      const { now, newKey, retired } = await tokenKeys.rotate(key, rotation, context);
      expect(newKey).to.deep.equal({
        id: key.id,
        algorithm: "ES256",
        createdAt: newKey.createdAt,
        signsFrom: newKey.createdAt + rotation.publishDelayMs,
        publishedUntil: undefined,
      });
      expect(newKey.createdAt).to.equal(now);
      const [former] = retired as [TokenKey];
      expect(former.id).to.equal(old.id);
      const start = (former.publishedUntil ?? 0) - rotation.publishDelayMs - rotation.keepMs;
      expect(start).to.be.at.most(now);
      expect(await list()).to.have.deep.members([newKey, former]);
      expect(await publishedIds()).to.have.members([old.id, key.id]);
      expect(await auditOf(key.id)).to.deep.equal([
        {
          action: "auth.token_key_rotated",
          actingActorId: "root",
          callingService: "contract",
          tenantId: "default",
          resourceType: "token_key",
          resourceId: key.id,
          details: { new_key_id: key.id, retired_key_ids: old.id, immediately: "false" },
        },
      ]);
    });

    it("does not postpone the end of a key that a former rotation has set", async () => {
      const { tokenKeys } = given();
      await firstKey();
      const { retired } = await tokenKeys.rotate(newTokenKey(), rotation, context);
      const [former] = retired as [TokenKey];
      await tokenKeys.rotate(newTokenKey(), rotation, context);
      expect(await list()).to.deep.include(former);
    });

    it("leaves one key ACTIVE, after a rotation with a longer delay", async () => {
      const { tokenKeys, ageTokenKeys } = given();
      const old = await firstKey();
      const waiting = newTokenKey();
      await tokenKeys.rotate(waiting, { ...rotation, publishDelayMs: 24 * HOUR }, context);
      await ageTokenKeys(HOUR);
      const key = newTokenKey();
      const { now, newKey, retired } = await tokenKeys.rotate(key, rotation, context);
      expect(retired.map(({ id }) => id)).to.have.members([old.id, waiting.id]);
      const keys = await list();
      const activeAt = (time: number) =>
        keys.filter((each) => tokenKeyStateAt(each, time) === "ACTIVE").map(({ id }) => id);
      expect(activeAt(now)).to.deep.equal([old.id]);
      expect(activeAt(newKey.signsFrom)).to.deep.equal([key.id]);
      expect(activeAt(newKey.signsFrom + 24 * HOUR)).to.deep.equal([key.id]);
    });

    it("H08: signs with the new key at once and publishes no other, if it is immediate", async () => {
      const { tokenKeys } = given();
      const old = await firstKey();
      const waiting = newTokenKey();
      await tokenKeys.rotate(waiting, rotation, context);
      const key = newTokenKey();
      const immediate = { ...rotation, immediately: true };
      const { now, newKey, retired } = await tokenKeys.rotate(key, immediate, context);
      expect(newKey).to.include({ signsFrom: now, publishedUntil: undefined });
      expect(retired.map(({ id }) => id)).to.have.members([old.id, waiting.id]);
      for (const { publishedUntil } of retired) expect(publishedUntil).to.be.at.most(now);
      expect(await publishedIds()).to.deep.equal([key.id]);
      const [event] = await auditOf(key.id);
      expect(event?.details).to.include({ immediately: "true" });
    });

    it("makes the first key where there is none", async () => {
      const { retired } = await given().tokenKeys.rotate(newTokenKey(), rotation, context);
      expect(retired).to.deep.equal([]);
    });

    it("H07: leaves exactly one key without an end, however many rotate at once", async () => {
      await firstKey();
      const rotated = await Promise.all(
        numbers(20).map(() => given().tokenKeys.rotate(newTokenKey(), rotation, context)),
      );
      const keys = await list();
      expect(keys).to.have.length(21);
      expect(keys.filter(({ publishedUntil }) => publishedUntil === undefined)).to.have.length(1);
      const ended = rotated.flatMap(({ retired }) => retired.map(({ id }) => id));
      expect(new Set(ended).size, "each ended another one").to.equal(20);
    });

    it("H08: stops publishing a key at its end", async () => {
      const stores = given();
      const old = await firstKey();
      const key = newTokenKey();
      await stores.tokenKeys.rotate(key, rotation, context);
      await stores.ageTokenKeys(rotation.publishDelayMs + rotation.keepMs - 60 * SECOND);
      expect(await publishedIds()).to.have.members([old.id, key.id]);
      await stores.ageTokenKeys(60 * SECOND);
      expect(await publishedIds()).to.deep.equal([key.id]);
    });
  });

  describe("TokenKeyStore: reading and re-wrapping", () => {
    fromEmpty();

    it("gives all keys, each once, more than fit into a batch", async () => {
      const { tokenKeys } = given();
      const ids: TokenKeyId[] = [];
      for (const _ of numbers(510)) {
        const key = newTokenKey();
        ids.push(key.id);
        await tokenKeys.rotate(key, rotation, context);
      }
      const found: TokenKeyId[] = [];
      for await (const { id } of tokenKeys.all(context)) found.push(id);
      expect(found).to.have.length(510).and.have.members(ids);
    });

    it("H02: re-wraps a key, unless another process has done so", async () => {
      const { tokenKeys } = given();
      const key = await firstKey();
      const [one, two] = [newTokenKey().encrypted, newTokenKey().encrypted];
      const stored = async () => (await tokenKeys.published(context)).keys[0]?.encrypted;
      expect(await tokenKeys.rewrap(key.id, key.encrypted, one, context)).to.equal(true);
      expect(await stored()).to.deep.equal(one);
      expect(await tokenKeys.rewrap(key.id, key.encrypted, two, context)).to.equal(false);
      expect(await stored()).to.deep.equal(one);
      expect(await tokenKeys.rewrap(newTokenKey().id, one, two, context)).to.equal(false);
    });

    it("lists the keys newest first, page by page, without their material", async () => {
      const stores = given();
      for (const _ of numbers(5)) {
        await stores.ageTokenKeys(SECOND);
        await stores.tokenKeys.rotate(newTokenKey(), rotation, context);
      }
      const all = await list();
      const times = all.map(({ createdAt }) => createdAt);
      expect(times).to.deep.equal(times.toSorted((a, b) => b - a));
      const facts = ["id", "algorithm", "createdAt", "signsFrom", "publishedUntil"];
      expect(Object.keys(all[0] ?? {})).to.have.members(facts);
      const found: TokenKey[] = [];
      let after: TokenKey | undefined;
      for (let more = true; more; ) {
        const page = await stores.tokenKeys.list({ after, limit: 2 }, context);
        found.push(...page.items);
        after = page.items.at(-1);
        ({ more } = page);
      }
      expect(found).to.deep.equal(all);
    });
  });
}
