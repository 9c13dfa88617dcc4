import { expect } from "chai";
import fc from "fast-check";
import {
  mintSigningKeyId,
  type SigningKeyId,
  secureRandomBytes,
  type TenantId,
  type TokenKeyId,
} from "../../src/session/ids.ts";
import { KeyDecryptionError, KeyEncryption } from "../../src/session/key-encryption.ts";
import type { EncryptedKey } from "../../src/session/key-wrapper.ts";
import { keyEncryptionKeyId, LocalKeyWrapper } from "../../src/session/local-key-wrapper.ts";
import type { StoredSigningKey } from "../../src/session/signing-key.ts";
import type { SigningKeyStore } from "../../src/session/signing-key-store.ts";
import { SigningKeys } from "../../src/session/signing-keys.ts";
import { numbers } from "../support/in-parallel.ts";
import { context, SIGNING_KEY_ID, T0, TENANT } from "../support/session-fixtures.ts";

const KEK = Buffer.alloc(32, 1);
const OTHER_KEK = Buffer.alloc(32, 2);
const SECRET = Buffer.from("0123456789abcdef0123456789abcdef");
const under = (...keys: Buffer[]) =>
  new KeyEncryption([new LocalKeyWrapper(keys, secureRandomBytes)]);
const encryption = under(KEK);

const encrypt = (by: KeyEncryption, id: SigningKeyId = SIGNING_KEY_ID) =>
  by.encrypt(SECRET, { id, tenantId: TENANT }, undefined);
const decrypt = (by: KeyEncryption, encrypted: EncryptedKey, id: SigningKeyId = SIGNING_KEY_ID) =>
  by.decrypt(encrypted, { id, tenantId: TENANT }, undefined);

async function refusal(
  encrypted: EncryptedKey,
  id: SigningKeyId = SIGNING_KEY_ID,
  tenant: TenantId = TENANT,
): Promise<KeyDecryptionError> {
  try {
    await encryption.decrypt(encrypted, { id, tenantId: tenant }, undefined);
  } catch (error) {
    expect(error).to.be.instanceOf(KeyDecryptionError);
    return error as KeyDecryptionError;
  }
  throw new Error("it decrypted");
}

const anyTenant = { required: false };

describe("key encryption (unit)", () => {
  it("decrypts what it encrypted, and the ciphertext shows nothing of the key (A26)", async () => {
    const encrypted = await encrypt(encryption);
    expect(await decrypt(encryption, encrypted)).to.deep.equal(SECRET);
    expect(encrypted.ciphertext).to.have.length(12 + 32 + 16);
    for (let at = 0; at + 4 <= SECRET.length; at += 1) {
      expect(encrypted.ciphertext.includes(SECRET.subarray(at, at + 4))).to.equal(false);
    }
  });

  it("refuses a ciphertext of which any bit was flipped (ASVS 11.3)", async () => {
    const { ciphertext, keyEncryptionKeyId } = await encrypt(encryption);
    for (let bit = 0; bit < ciphertext.length * 8; bit += 1) {
      const flipped = Buffer.from(ciphertext);
      const at = bit >> 3;
      flipped[at] = (flipped[at] as number) ^ (1 << (bit & 7));
      await refusal({ ciphertext: flipped, keyEncryptionKeyId });
    }
  });

  it("refuses a ciphertext that was cut or lengthened (ASVS 11.3)", async () => {
    const { ciphertext, keyEncryptionKeyId } = await encrypt(encryption);
    for (let length = 0; length < ciphertext.length; length += 1) {
      await refusal({ ciphertext: ciphertext.subarray(0, length), keyEncryptionKeyId });
    }
    const longer = Buffer.concat([ciphertext, Buffer.alloc(1)]);
    await refusal({ ciphertext: longer, keyEncryptionKeyId });
  });

  it("refuses a ciphertext in the place of any other key or tenant (ASVS 11.3, property)", async () => {
    const encrypted = await encrypt(encryption);
    const place = fc.tuple(fc.string(), fc.string({ minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(place, async ([id, tenant]) => {
        await refusal(encrypted, id as SigningKeyId, tenant as TenantId);
      }),
      { examples: [[[mintSigningKeyId(secureRandomBytes), TENANT]], [[SIGNING_KEY_ID, "other"]]] },
    );
  });

  it("refuses a signing key's ciphertext in the place of a token key, and the reverse (H02)", async () => {
    // The same digits: only the kind tells them apart.
    const token = { id: SIGNING_KEY_ID.replace("sk-", "tk-") as TokenKeyId, tenantId: "" } as const;
    const ofTokenKey = await encryption.encrypt(SECRET, token, undefined);
    expect(await encryption.decrypt(ofTokenKey, token, undefined)).to.deep.equal(SECRET);
    await refusal(ofTokenKey);
    const ofSigningKey = await encrypt(encryption);
    const error = await encryption
      .decrypt(ofSigningKey, token, undefined)
      .catch((thrown) => thrown);
    expect(error).to.be.instanceOf(KeyDecryptionError);
    expect(error.message).to.match(
      /^token key tk-[0-9a-f]{32} cannot be decrypted: its ciphertext is/,
    );
  });

  it("never uses a nonce twice (ASVS 11.3)", async () => {
    const nonces = new Set<string>();
    for (let made = 0; made < 10_000; made += 1) {
      const { ciphertext } = await encrypt(encryption);
      nonces.add(ciphertext.subarray(0, 12).toString("hex"));
    }
    expect(nonces.size).to.equal(10_000);
  });

  it("refuses what is under a key-encryption key that it lacks, and names both (A26)", async () => {
    const foreign = under(OTHER_KEK);
    const error = await refusal(await encrypt(foreign));
    expect(error.message).to.include(keyEncryptionKeyId(OTHER_KEK));
    expect(error.message).to.include(keyEncryptionKeyId(KEK));
    expect(error.message).to.include(SIGNING_KEY_ID);
    expect(error.message).not.to.include(KEK.toString("hex"));
    expect(error.message).not.to.include(KEK.toString("base64"));
  });

  it("refuses a ciphertext that names its own key but is under another", async () => {
    const foreign = under(OTHER_KEK);
    const { ciphertext } = await encrypt(foreign);
    await refusal({ ciphertext, keyEncryptionKeyId: keyEncryptionKeyId(KEK) });
  });

  it("names a key-encryption key by a hash that differs from key to key", () => {
    expect(keyEncryptionKeyId(KEK)).to.match(/^[0-9a-f]{16}$/);
    expect(keyEncryptionKeyId(KEK)).to.equal(keyEncryptionKeyId(Buffer.from(KEK)));
    expect(keyEncryptionKeyId(KEK)).not.to.equal(keyEncryptionKeyId(OTHER_KEK));
  });

  it("requires a key-encryption key", () => {
    expect(() => new LocalKeyWrapper([], secureRandomBytes)).to.throw(RangeError);
    expect(() => new KeyEncryption([])).to.throw(RangeError);
  });

  it("does not unwrap with a key that is another wrapper's", async () => {
    const wrapper = new LocalKeyWrapper([KEK], secureRandomBytes);
    const encrypted = await encrypt(under(OTHER_KEK));
    expect(wrapper.has(encrypted.keyEncryptionKeyId)).to.equal(false);
    const place = { id: SIGNING_KEY_ID, tenantId: TENANT };
    const error = await wrapper.unwrap(encrypted, place).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(RangeError);
  });

  it("decrypts with every key wrapper, and encrypts with the first", async () => {
    const [one, two] = [KEK, OTHER_KEK].map((key) => new LocalKeyWrapper([key], secureRandomBytes));
    const both = new KeyEncryption([one, two] as LocalKeyWrapper[]);
    expect(await both.currentKeyId(undefined)).to.equal(keyEncryptionKeyId(KEK));
    for (const by of [encryption, under(OTHER_KEK)]) {
      expect(await decrypt(both, await encrypt(by))).to.deep.equal(SECRET);
    }
    expect((await encrypt(both)).keyEncryptionKeyId).to.equal(keyEncryptionKeyId(KEK));
  });
});

/** A store of signing keys in memory that can only be read and re-wrapped. */
function storeOf(keys: Iterable<StoredSigningKey>) {
  const stored = new Map([...keys].map((key) => [key.id, key]));
  const store: Partial<SigningKeyStore> = {
    async *all() {
      yield* stored.values();
    },
    async rewrap(id, from, to) {
      const key = stored.get(id);
      if (key === undefined || !key.encrypted.ciphertext.equals(from.ciphertext)) return false;
      stored.set(id, { ...key, encrypted: to });
      return true;
    },
  };
  return { stored, store: store as SigningKeyStore };
}

async function keyUnder(by: KeyEncryption): Promise<StoredSigningKey> {
  const id = mintSigningKeyId(secureRandomBytes);
  const encrypted = await encrypt(by, id);
  return { id, encrypted, tenantId: TENANT, createdAt: T0, retiredAt: undefined };
}

describe("key encryption: re-wrapping (unit)", () => {
  const other = under(OTHER_KEK);

  it("puts what is under an older key under the first one, and leaves the rest (A26)", async () => {
    const [old, current] = [await keyUnder(encryption), await keyUnder(other)];
    const { stored, store } = storeOf([old, current]);
    const materials = new Map<SigningKeyId, Buffer>();
    const keys = new SigningKeys(
      store,
      under(OTHER_KEK, KEK),
      secureRandomBytes,
      anyTenant,
      ({ id }, material) => materials.set(id, material),
    );
    const result = await keys.verifyAndRewrap(context);
    expect(result).to.deep.equal({
      count: 2,
      rewrapped: 1,
      unreadable: [],
      unreadableCount: 0,
      keyEncryptionKeyId: keyEncryptionKeyId(OTHER_KEK),
      isComplete: true,
    });
    const { encrypted } = stored.get(old.id) as StoredSigningKey;
    expect(await decrypt(other, encrypted, old.id)).to.deep.equal(SECRET);
    expect(stored.get(current.id)).to.equal(current);
    expect(materials).to.deep.equal(
      new Map([
        [old.id, SECRET],
        [current.id, SECRET],
      ]),
    );
  });

  it("finds keys that are made under an older key meanwhile (A26)", async () => {
    const { stored, store } = storeOf([await keyUnder(encryption)]);
    const late = await keyUnder(encryption);
    const racing: SigningKeyStore = {
      ...store,
      async rewrap(...args) {
        stored.set(late.id, stored.get(late.id) ?? late);
        return store.rewrap(...args);
      },
    };
    // A pass has gone by the place where the other replica puts its key.
    racing.all = async function* () {
      yield* [...stored.values()];
    };
    const keys = new SigningKeys(racing, under(OTHER_KEK, KEK), secureRandomBytes, anyTenant);
    const { rewrapped, isComplete } = await keys.verifyAndRewrap(context);
    expect({ rewrapped, isComplete }).to.deep.equal({ rewrapped: 2, isComplete: true });
  });

  it("gives up, and says so, if another replica keeps undoing it", async () => {
    const old = await keyUnder(encryption);
    const { stored, store } = storeOf([old]);
    const undone: SigningKeyStore = {
      ...store,
      async rewrap(...args) {
        const done = await store.rewrap(...args);
        stored.set(old.id, old);
        return done;
      },
    };
    const keys = new SigningKeys(undone, under(OTHER_KEK, KEK), secureRandomBytes, anyTenant);
    const { rewrapped, isComplete } = await keys.verifyAndRewrap(context);
    expect({ rewrapped, isComplete }).to.deep.equal({ rewrapped: 10, isComplete: false });
  });

  it("returns 1000 of the keys that cannot be decrypted, and counts the others (A26)", async () => {
    const unreadableKeys = await Promise.all(numbers(1001).map(() => keyUnder(other)));
    const { store } = storeOf([await keyUnder(encryption), ...unreadableKeys]);
    const keys = new SigningKeys(store, encryption, secureRandomBytes, anyTenant);
    const { unreadable, unreadableCount, count } = await keys.verifyAndRewrap(context);
    const expected = unreadableKeys.slice(0, 1000).map((key) => ({ ...key, isCorrupt: false }));
    expect(unreadable).to.deep.equal(expected);
    expect([unreadableCount, count]).to.deep.equal([1001, 1002]);
  });

  it("passes on what is not a failed decryption", async () => {
    const broken = { decrypt: () => expect.fail("a defect") } as unknown as KeyEncryption;
    const { store } = storeOf([await keyUnder(encryption)]);
    const keys = new SigningKeys(store, broken, secureRandomBytes, anyTenant);
    const error = await keys.verifyAndRewrap(context).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal("a defect");
  });
});
