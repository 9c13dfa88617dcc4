import { createHmac } from "node:crypto";
import { expect } from "chai";
import { UnreadableKeyError } from "../../src/session/errors.ts";
import {
  mintSigningKeyId,
  type SigningKeyId,
  secureRandomBytes,
  type TenantId,
} from "../../src/session/ids.ts";
import { KeyEncryption } from "../../src/session/key-encryption.ts";
import { KeyRing } from "../../src/session/key-ring.ts";
import { LocalKeyWrapper } from "../../src/session/local-key-wrapper.ts";
import { MacKey } from "../../src/session/mac-key.ts";
import type { StoredSigningKey } from "../../src/session/signing-key.ts";
import type { SigningKeyStore } from "../../src/session/signing-key-store.ts";
import { UnreadableKeys } from "../../src/session/unreadable-keys.ts";
import { rejected } from "../support/expect-reason.ts";
import { context, SIGNING_KEY_ID, T0, TENANT } from "../support/session-fixtures.ts";

const under = (key: Buffer) => new KeyEncryption([new LocalKeyWrapper([key], secureRandomBytes)]);
const encryption = under(Buffer.alloc(32, 1));
/** Of another replica. */
const lost = under(Buffer.alloc(32, 3));
const SECRET = Buffer.alloc(32, 9);

async function storedKey(id: SigningKeyId, by = encryption): Promise<StoredSigningKey> {
  const encrypted = await by.encrypt(SECRET, id, TENANT, undefined);
  return { id, tenantId: TENANT, createdAt: T0, retiredAt: undefined, encrypted };
}

/** A key ring over a store of which nothing but `find` may be called. */
function ringOver(
  find: (id: SigningKeyId) => Promise<StoredSigningKey> | undefined,
  unreadable = new UnreadableKeys(() => 0),
): KeyRing {
  const store: Partial<SigningKeyStore> = { find: async (id) => find(id) };
  return new KeyRing(store as SigningKeyStore, encryption, unreadable);
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
    const outcomes: (() => Promise<StoredSigningKey> | undefined)[] = [
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

  it("reports a row that does not decrypt as an outage, reads it again after 10 s, and counts (A26)", async () => {
    let now = 0;
    let stored = storedKey(SIGNING_KEY_ID, lost);
    let reads = 0;
    const unreadable = new UnreadableKeys(() => now);
    const ring = ringOver(() => {
      reads += 1;
      return stored;
    }, unreadable);
    for (now of [0, 9_999, 10_000, 19_999]) {
      const error = await rejected(ring.find(SIGNING_KEY_ID, context), "STORAGE_UNAVAILABLE");
      expect(error).to.be.instanceOf(UnreadableKeyError);
    }
    expect(reads).to.equal(2);
    expect(unreadable.total).to.equal(4);
    stored = storedKey(SIGNING_KEY_ID);
    now = 20_000;
    expect(await ring.find(SIGNING_KEY_ID, context)).not.to.equal(undefined);
    expect(unreadable.mustRefuse(SIGNING_KEY_ID)).to.equal(false);
  });

  it("reads such a row once, however many calls find it due (A26)", async () => {
    let now = 0;
    let reads = 0;
    const ring = ringOver(
      () => {
        reads += 1;
        return storedKey(SIGNING_KEY_ID, lost);
      },
      new UnreadableKeys(() => now),
    );
    const find = () => rejected(ring.find(SIGNING_KEY_ID, context), "STORAGE_UNAVAILABLE");
    await find();
    now = 10_000;
    await Promise.all([find(), find(), find()]);
    expect(reads).to.equal(2);
  });

  it("forgets such a row when it was deleted (A09)", async () => {
    let now = 0;
    const stored = [storedKey(SIGNING_KEY_ID, lost)];
    const ring = ringOver(() => stored.shift(), new UnreadableKeys(() => now));
    await rejected(ring.find(SIGNING_KEY_ID, context), "STORAGE_UNAVAILABLE");
    now = 10_000;
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(undefined);
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(undefined);
  });

  it("passes on what is not a failed decryption", async () => {
    const broken = { decrypt: () => expect.fail("a defect") } as unknown as KeyEncryption;
    const store: Partial<SigningKeyStore> = { find: async (id) => storedKey(id) };
    const unreadable = new UnreadableKeys(() => 0);
    const ring = new KeyRing(store as SigningKeyStore, broken, unreadable);
    const error = await ring.find(SIGNING_KEY_ID, context).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal("a defect");
    expect(unreadable.total).to.equal(0);
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

describe("unreadable keys", () => {
  const ids = Array.from({ length: 10_001 }, () => mintSigningKeyId(secureRandomBytes));
  const [oldest, second] = ids as [SigningKeyId, SigningKeyId];
  const newest = ids.at(-1) as SigningKeyId;
  const keyOf = (id: SigningKeyId) => ({
    id,
    tenantId: `tenant-of-${id}` as TenantId,
    createdAt: T0,
    retiredAt: undefined,
  });

  it("keeps 10,000 keys and tenants and drops the oldest for another", () => {
    const unreadable = new UnreadableKeys(() => 0);
    for (const id of ids) unreadable.add(keyOf(id));
    expect([oldest, second, newest].map((id) => unreadable.mustRefuse(id))).to.deep.equal([
      false,
      true,
      true,
    ]);
    const tenants = [oldest, second, newest].map((id) => unreadable.hasTenant(keyOf(id).tenantId));
    expect(tenants).to.deep.equal([false, true, true]);
  });

  it("knows a tenant by its active key only", () => {
    const unreadable = new UnreadableKeys(() => 0);
    unreadable.add({ ...keyOf(oldest), retiredAt: T0 });
    expect(unreadable.hasTenant(keyOf(oldest).tenantId)).to.equal(false);
  });

  it("counts refusals for 10,000 keys, and the others in the total only", () => {
    let notified = 0;
    const unreadable = new UnreadableKeys(
      () => 0,
      () => {
        notified += 1;
      },
    );
    for (const id of [...ids, newest, oldest]) unreadable.refuse(id);
    const taken = unreadable.takeRefusals();
    expect([taken.size, taken.get(oldest), taken.get(newest)]).to.deep.equal([
      10_000,
      2,
      undefined,
    ]);
    expect([unreadable.total, notified]).to.deep.equal([10_003, 10_003]);
    expect(unreadable.takeRefusals()).to.be.empty;
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
