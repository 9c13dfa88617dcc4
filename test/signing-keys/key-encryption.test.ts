import { expect } from "chai";
import fc from "fast-check";
import {
  mintSigningKeyId,
  type SigningKeyId,
  secureRandomBytes,
  type TenantId,
} from "../../src/session/ids.ts";
import {
  type EncryptedKey,
  KeyDecryptionError,
  KeyEncryption,
  keyEncryptionKeyId,
} from "../../src/session/key-encryption.ts";
import type { SigningKeyStore } from "../../src/session/signing-key-store.ts";
import { SigningKeys } from "../../src/session/signing-keys.ts";
import { context, SIGNING_KEY_ID, T0, TENANT } from "../support/session-fixtures.ts";

const KEK = Buffer.alloc(32, 1);
const OTHER_KEK = Buffer.alloc(32, 2);
const SECRET = Buffer.from("0123456789abcdef0123456789abcdef");
const encryption = new KeyEncryption([KEK], secureRandomBytes);

function refusal(
  encrypted: EncryptedKey,
  id: SigningKeyId = SIGNING_KEY_ID,
  tenant: TenantId = TENANT,
): KeyDecryptionError {
  try {
    encryption.decrypt(encrypted, id, tenant);
  } catch (error) {
    expect(error).to.be.instanceOf(KeyDecryptionError);
    return error as KeyDecryptionError;
  }
  throw new Error("it decrypted");
}

describe("key encryption (unit)", () => {
  it("decrypts what it encrypted, and the ciphertext shows nothing of the key (A26)", () => {
    const encrypted = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    expect(encryption.decrypt(encrypted, SIGNING_KEY_ID, TENANT)).to.deep.equal(SECRET);
    expect(encrypted.ciphertext).to.have.length(12 + 32 + 16);
    for (let at = 0; at + 4 <= SECRET.length; at += 1) {
      expect(encrypted.ciphertext.includes(SECRET.subarray(at, at + 4))).to.equal(false);
    }
  });

  it("refuses a ciphertext of which any bit was flipped (ASVS 11.3)", () => {
    const { ciphertext, keyEncryptionKeyId } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    for (let bit = 0; bit < ciphertext.length * 8; bit += 1) {
      const flipped = Buffer.from(ciphertext);
      const at = bit >> 3;
      flipped[at] = (flipped[at] as number) ^ (1 << (bit & 7));
      refusal({ ciphertext: flipped, keyEncryptionKeyId });
    }
  });

  it("refuses a ciphertext that was cut or lengthened (ASVS 11.3)", () => {
    const { ciphertext, keyEncryptionKeyId } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    for (let length = 0; length < ciphertext.length; length += 1) {
      refusal({ ciphertext: ciphertext.subarray(0, length), keyEncryptionKeyId });
    }
    const longer = Buffer.concat([ciphertext, Buffer.alloc(1)]);
    refusal({ ciphertext: longer, keyEncryptionKeyId });
  });

  it("refuses a ciphertext in the place of any other key or tenant (ASVS 11.3, property)", () => {
    const encrypted = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    const place = fc.tuple(fc.string(), fc.string({ minLength: 1 }));
    fc.assert(
      fc.property(place, ([id, tenant]) => {
        refusal(encrypted, id as SigningKeyId, tenant as TenantId);
      }),
      { examples: [[[mintSigningKeyId(secureRandomBytes), TENANT]], [[SIGNING_KEY_ID, "other"]]] },
    );
  });

  it("never uses a nonce twice (ASVS 11.3)", () => {
    const nonces = new Set<string>();
    for (let made = 0; made < 10_000; made += 1) {
      const { ciphertext } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
      nonces.add(ciphertext.subarray(0, 12).toString("hex"));
    }
    expect(nonces.size).to.equal(10_000);
  });

  it("refuses what is under a key-encryption key that it lacks, and names both (A26)", () => {
    const foreign = new KeyEncryption([OTHER_KEK], secureRandomBytes);
    const error = refusal(foreign.encrypt(SECRET, SIGNING_KEY_ID, TENANT));
    expect(error.message).to.include(keyEncryptionKeyId(OTHER_KEK));
    expect(error.message).to.include(keyEncryptionKeyId(KEK));
    expect(error.message).to.include(SIGNING_KEY_ID);
    expect(error.message).not.to.include(KEK.toString("hex"));
    expect(error.message).not.to.include(KEK.toString("base64"));
  });

  it("refuses a ciphertext that names its own key but is under another", () => {
    const foreign = new KeyEncryption([OTHER_KEK], secureRandomBytes);
    const { ciphertext } = foreign.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    refusal({ ciphertext, keyEncryptionKeyId: encryption.primaryKeyId });
  });

  it("names a key-encryption key by a hash that differs from key to key", () => {
    expect(keyEncryptionKeyId(KEK)).to.match(/^[0-9a-f]{16}$/);
    expect(keyEncryptionKeyId(KEK)).to.equal(keyEncryptionKeyId(Buffer.from(KEK)));
    expect(keyEncryptionKeyId(KEK)).not.to.equal(keyEncryptionKeyId(OTHER_KEK));
  });

  it("requires a key-encryption key", () => {
    expect(() => new KeyEncryption([], secureRandomBytes)).to.throw(RangeError);
  });
});

describe("key encryption: re-wrapping (unit)", () => {
  it("puts what is under an older key under the first one, and leaves the rest (A26)", async () => {
    const [one, two] = [mintSigningKeyId(secureRandomBytes), mintSigningKeyId(secureRandomBytes)];
    const other = new KeyEncryption([OTHER_KEK], secureRandomBytes);
    const both = new KeyEncryption([OTHER_KEK, KEK], secureRandomBytes);
    const stored = [
      { id: one, encrypted: encryption.encrypt(SECRET, one, TENANT) },
      { id: two, encrypted: other.encrypt(SECRET, two, TENANT) },
    ].map((key) => ({ ...key, tenantId: TENANT, createdAt: T0, retiredAt: undefined }));
    const rewrapped: SigningKeyId[] = [];
    const store: Partial<SigningKeyStore> = {
      async *all() {
        yield* stored;
      },
      async rewrap(id, from, to) {
        expect(from).to.equal(stored.find((key) => key.id === id)?.encrypted);
        expect(other.decrypt(to, id, TENANT)).to.deep.equal(SECRET);
        rewrapped.push(id);
      },
    };
    const keys = new SigningKeys(store as SigningKeyStore, both, secureRandomBytes);
    expect(await keys.verifyAndRewrap(context)).to.deep.equal({
      rewrapped: 1,
      unreadable: [],
      unreadableCount: 0,
    });
    expect(rewrapped).to.deep.equal([one]);
  });

  it("returns 1000 of the keys that cannot be decrypted, and counts the others (A26)", async () => {
    const other = new KeyEncryption([OTHER_KEK], secureRandomBytes);
    const stored = Array.from({ length: 1002 }, (_, index) => {
      const id = mintSigningKeyId(secureRandomBytes);
      const encrypted = (index === 0 ? encryption : other).encrypt(SECRET, id, TENANT);
      return { id, encrypted, tenantId: TENANT, createdAt: T0, retiredAt: undefined };
    });
    const store: Partial<SigningKeyStore> = {
      async *all() {
        yield* stored;
      },
    };
    const keys = new SigningKeys(store as SigningKeyStore, encryption, secureRandomBytes);
    const { unreadable, unreadableCount } = await keys.verifyAndRewrap(context);
    const expected = stored.slice(1, 1001).map((key) => ({ ...key, isCorrupt: false }));
    expect(unreadable).to.deep.equal(expected);
    expect(unreadableCount).to.equal(1001);
  });

  it("passes on what is not a failed decryption", async () => {
    const broken = { decrypt: () => expect.fail("a defect") } as unknown as KeyEncryption;
    const store: Partial<SigningKeyStore> = {
      async *all() {
        const encrypted = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
        const id = SIGNING_KEY_ID;
        yield { id, encrypted, tenantId: TENANT, createdAt: T0, retiredAt: undefined };
      },
    };
    const keys = new SigningKeys(store as SigningKeyStore, broken, secureRandomBytes);
    const error = await keys.verifyAndRewrap(context).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal("a defect");
  });
});
