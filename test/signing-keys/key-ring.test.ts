import { createHmac } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { mintSigningKeyId, type SigningKeyId, secureRandomBytes } from "../../src/session/ids.ts";
import { KeyDecryptionError, KeyEncryption } from "../../src/session/key-encryption.ts";
import { KeyRing } from "../../src/session/key-ring.ts";
import { MacKey } from "../../src/session/mac-key.ts";
import type { StoredSigningKey } from "../../src/session/signing-key.ts";
import type { SigningKeyStore } from "../../src/session/signing-key-store.ts";
import { rejected } from "../support/expect-reason.ts";
import { context, SIGNING_KEY_ID, T0, TENANT } from "../support/session-fixtures.ts";

const encryption = new KeyEncryption([Buffer.alloc(32, 1)], secureRandomBytes);
const SECRET = Buffer.alloc(32, 9);

function storedKey(id: SigningKeyId, under = encryption): StoredSigningKey {
  const encrypted = under.encrypt(SECRET, id, TENANT);
  return { id, tenantId: TENANT, createdAt: T0, retiredAt: undefined, encrypted };
}

/** A key ring over a store of which nothing but `find` may be called. */
function ringOver(find: (id: SigningKeyId) => StoredSigningKey | undefined): KeyRing {
  const store: Partial<SigningKeyStore> = { find: async (id) => find(id) };
  return new KeyRing(store as SigningKeyStore, encryption);
}

describe("key ring", () => {
  it("reads each key once, and gives the secret that signs", async () => {
    const reads: SigningKeyId[] = [];
    const ring = ringOver((id) => {
      reads.push(id);
      return storedKey(id);
    });
    const key = await ring.find(SIGNING_KEY_ID, context);
    if (key === undefined) throw new Error("no key");
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(key);
    expect(reads).to.deep.equal([SIGNING_KEY_ID]);
    const expected = createHmac("sha256", SECRET).update("text").digest("base64url");
    expect(key.mac("text")).to.equal(expected);
  });

  it("does not cache that a key was absent, nor an outage (A09)", async () => {
    const outcomes: (() => StoredSigningKey | undefined)[] = [
      () => undefined,
      () => {
        throw new Error("outage");
      },
      () => storedKey(SIGNING_KEY_ID),
    ];
    const ring = ringOver(() => outcomes.shift()?.());
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(undefined);
    const error = await ring.find(SIGNING_KEY_ID, context).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal("outage");
    expect(await ring.find(SIGNING_KEY_ID, context)).not.to.equal(undefined);
  });

  it("reports a row that does not decrypt as an outage, and does not cache it (A26)", async () => {
    const lost = new KeyEncryption([Buffer.alloc(32, 3)], secureRandomBytes);
    const stored = [storedKey(SIGNING_KEY_ID, lost), storedKey(SIGNING_KEY_ID)];
    const ring = ringOver(() => stored.shift());
    const error = await rejected(ring.find(SIGNING_KEY_ID, context), "STORAGE_UNAVAILABLE");
    expect(error.cause).to.be.instanceOf(KeyDecryptionError);
    expect(await ring.find(SIGNING_KEY_ID, context)).not.to.equal(undefined);
  });

  it("keeps 10,000 keys and drops the oldest for another", async () => {
    const reads: SigningKeyId[] = [];
    const ring = ringOver((id) => {
      reads.push(id);
      return storedKey(id);
    });
    const ids = Array.from({ length: 10_001 }, () => mintSigningKeyId(secureRandomBytes));
    for (const id of ids) await ring.find(id, context);
    const [oldest, second] = ids as [SigningKeyId, SigningKeyId];
    await ring.find(second, context);
    await ring.find(ids.at(-1) as SigningKeyId, context);
    expect(reads).to.have.length(10_001);
    await ring.find(oldest, context);
    expect(reads.slice(10_001)).to.deep.equal([oldest]);
  });
});

describe("MAC key", () => {
  const hmac = (secret: Uint8Array, text: string) =>
    createHmac("sha256", secret).update(text).digest("base64url");

  it("is HMAC-SHA256, also for several keys used in turn", () => {
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const text = fc.string({ unit: "grapheme", maxLength: 300 });
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 4 }),
        fc.array(text),
        (secrets, texts) => {
          const keys = secrets.map((bytes) => new MacKey(bytes));
          for (const each of texts) {
            const expected = secrets.map((bytes) => hmac(bytes, each));
            expect(keys.map((key) => key.mac(each))).to.deep.equal(expected);
          }
        },
      ),
    );
  });

  it("is HMAC-SHA256 at every length around the ends of SHA-256's blocks", () => {
    const secret = Buffer.alloc(32, 7);
    const key = new MacKey(secret);
    for (let length = 0; length < 260; length += 1) {
      const text = "x".repeat(length);
      expect(key.mac(text), String(length)).to.equal(hmac(secret, text));
    }
  });
});
