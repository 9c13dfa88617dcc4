import { createDecipheriv } from "node:crypto";
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
import { SIGNING_KEY_ID, TENANT } from "../support/session-fixtures.ts";

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

describe("key encryption", () => {
  it("A26: round-trips, and what lies in the row shows nothing of the key", () => {
    const encrypted = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    expect(encryption.decrypt(encrypted, SIGNING_KEY_ID, TENANT)).to.deep.equal(SECRET);
    expect(encrypted.ciphertext).to.have.length(12 + 32 + 16);
    for (let at = 0; at + 4 <= SECRET.length; at += 1) {
      expect(encrypted.ciphertext.includes(SECRET.subarray(at, at + 4))).to.equal(false);
    }
  });

  it("ASVS 11.3: is AES-256-GCM with nonce first, tag last and the key's place authenticated", () => {
    const { ciphertext } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    const decipher = createDecipheriv("aes-256-gcm", KEK, ciphertext.subarray(0, 12));
    decipher.setAAD(Buffer.from(`["${SIGNING_KEY_ID}","${TENANT}"]`));
    decipher.setAuthTag(ciphertext.subarray(44));
    const plain = Buffer.concat([decipher.update(ciphertext.subarray(12, 44)), decipher.final()]);
    expect(plain).to.deep.equal(SECRET);
  });

  it("ASVS 11.3: refuses a ciphertext of which any bit was flipped", () => {
    const { ciphertext, keyEncryptionKeyId } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    for (let bit = 0; bit < ciphertext.length * 8; bit += 1) {
      const flipped = Buffer.from(ciphertext);
      const at = bit >> 3;
      flipped[at] = (flipped[at] as number) ^ (1 << (bit & 7));
      refusal({ ciphertext: flipped, keyEncryptionKeyId });
    }
  });

  it("ASVS 11.3: refuses a ciphertext that was cut or lengthened", () => {
    const { ciphertext, keyEncryptionKeyId } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    for (let length = 0; length < ciphertext.length; length += 1) {
      refusal({ ciphertext: ciphertext.subarray(0, length), keyEncryptionKeyId });
    }
    const longer = Buffer.concat([ciphertext, Buffer.alloc(1)]);
    refusal({ ciphertext: longer, keyEncryptionKeyId });
  });

  it("ASVS 11.3: refuses two rows' ciphertexts that changed places", () => {
    const [one, two] = [mintSigningKeyId(secureRandomBytes), mintSigningKeyId(secureRandomBytes)];
    const ofOne = encryption.encrypt(SECRET, one, TENANT);
    const ofTwo = encryption.encrypt(SECRET, two, TENANT);
    refusal(ofTwo, one);
    refusal(ofOne, two);
    refusal(ofOne, one, "other" as TenantId);
    expect(encryption.decrypt(ofOne, one, TENANT)).to.deep.equal(SECRET);
  });

  it("property: no other place is authenticated alike", () => {
    const encrypted = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    const place = fc.tuple(fc.string(), fc.string({ minLength: 1 }));
    fc.assert(
      fc.property(place, ([id, tenant]) => {
        refusal(encrypted, id as SigningKeyId, tenant as TenantId);
      }),
    );
  });

  it("never uses a nonce twice", () => {
    const nonces = new Set<string>();
    for (let made = 0; made < 10_000; made += 1) {
      const { ciphertext } = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
      nonces.add(ciphertext.subarray(0, 12).toString("hex"));
    }
    expect(nonces.size).to.equal(10_000);
  });

  it("A26: refuses what is under a key-encryption key it does not have, and names both", () => {
    const foreign = new KeyEncryption([OTHER_KEK], secureRandomBytes);
    const error = refusal(foreign.encrypt(SECRET, SIGNING_KEY_ID, TENANT));
    expect(error.message).to.include(keyEncryptionKeyId(OTHER_KEK));
    expect(error.message).to.include(keyEncryptionKeyId(KEK));
    expect(error.message).to.include(SIGNING_KEY_ID);
    expect(error.message).not.to.include(KEK.toString("hex"));
    expect(error.message).not.to.include(KEK.toString("base64"));
  });

  it("refuses a ciphertext that only claims to be under the key it has", () => {
    const foreign = new KeyEncryption([OTHER_KEK], secureRandomBytes);
    const { ciphertext } = foreign.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    refusal({ ciphertext, keyEncryptionKeyId: encryption.primaryKeyId });
  });

  it("encrypts with the first of several keys and decrypts with all", () => {
    const old = encryption.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    const both = new KeyEncryption([OTHER_KEK, KEK], secureRandomBytes);
    expect(both.primaryKeyId).to.equal(keyEncryptionKeyId(OTHER_KEK));
    expect(both.decrypt(old, SIGNING_KEY_ID, TENANT)).to.deep.equal(SECRET);
    const renewed = both.encrypt(SECRET, SIGNING_KEY_ID, TENANT);
    expect(renewed.keyEncryptionKeyId).to.equal(keyEncryptionKeyId(OTHER_KEK));
    expect(both.decrypt(renewed, SIGNING_KEY_ID, TENANT)).to.deep.equal(SECRET);
  });

  it("names a key-encryption key by a hash that differs from key to key", () => {
    expect(keyEncryptionKeyId(KEK)).to.match(/^[0-9a-f]{16}$/);
    expect(keyEncryptionKeyId(KEK)).to.equal(keyEncryptionKeyId(Buffer.from(KEK)));
    expect(keyEncryptionKeyId(KEK)).not.to.equal(keyEncryptionKeyId(OTHER_KEK));
  });

  it("needs a key", () => {
    expect(() => new KeyEncryption([], secureRandomBytes)).to.throw(RangeError);
  });
});
