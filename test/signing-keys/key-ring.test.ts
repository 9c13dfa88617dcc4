import { createHmac } from "node:crypto";
import { expect } from "chai";
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
  it("is HMAC-SHA256: test cases 1 and 2 of RFC 4231, in base64url without padding", () => {
    const mac = (secret: Buffer, text: string) =>
      Buffer.from(new MacKey(secret).mac(text), "base64url").toString("hex");
    expect(mac(Buffer.alloc(20, 0x0b), "Hi There")).to.equal(
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    );
    expect(mac(Buffer.from("Jefe"), "what do ya want for nothing?")).to.equal(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    expect(new MacKey(Buffer.alloc(32)).mac("")).to.match(/^[\w-]{43}$/);
  });
});
