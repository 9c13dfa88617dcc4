import { createHmac } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { AbsentKeys } from "../../src/session/absent-keys.ts";
import type { CallContext } from "../../src/session/call-context.ts";
import { SessionError, UnreadableKeyError } from "../../src/session/errors.ts";
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
import { numbers } from "../support/in-parallel.ts";
import { context, SIGNING_KEY_ID, T0, TENANT } from "../support/session-fixtures.ts";

const under = (key: Buffer) => new KeyEncryption([new LocalKeyWrapper([key], secureRandomBytes)]);
const encryption = under(Buffer.alloc(32, 1));
/** Of another replica. */
const lost = under(Buffer.alloc(32, 3));
const SECRET = Buffer.alloc(32, 9);

async function storedKey(id: SigningKeyId, by = encryption): Promise<StoredSigningKey> {
  const encrypted = await by.encrypt(SECRET, { id, tenantId: TENANT }, undefined);
  return { id, tenantId: TENANT, createdAt: T0, retiredAt: undefined, encrypted };
}

/** A key ring over a store of which nothing but `find` may be called. */
function ringOver(
  find: (id: SigningKeyId, context: CallContext) => Promise<StoredSigningKey> | undefined,
  unreadable = new UnreadableKeys(() => 0),
  absent = new AbsentKeys(() => 0),
): KeyRing {
  const partial: Partial<SigningKeyStore> = { find: async (id, context) => find(id, context) };
  const store = partial as SigningKeyStore;
  return new KeyRing({ store, encryption, unreadable, absent });
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

  it("caches for a second that a key was absent, but no outage (A09)", async () => {
    let now = 0;
    const outcomes: (() => Promise<StoredSigningKey> | undefined)[] = [
      () => undefined,
      () => {
        throw new Error("outage");
      },
      () => storedKey(SIGNING_KEY_ID),
    ];
    const absent = new AbsentKeys(() => now);
    const ring = ringOver(() => outcomes.shift()?.(), new UnreadableKeys(() => 0), absent);
    for (now of [0, 1, 999]) {
      expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(undefined);
    }
    expect(outcomes).to.have.length(2);
    now = 1000;
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

  it("reads another tenant's key like an absent one, cached and unreadable as well", async () => {
    let now = 0;
    const absent = mintSigningKeyId(secureRandomBytes);
    const lostId = mintSigningKeyId(secureRandomBytes);
    const unreadable = new UnreadableKeys(() => now);
    const reads: SigningKeyId[] = [];
    const ring = ringOver(
      (id) => {
        reads.push(id);
        return id === absent ? undefined : storedKey(id, id === lostId ? lost : encryption);
      },
      unreadable,
      new AbsentKeys(() => now),
    );
    await ring.find(SIGNING_KEY_ID, context);
    await rejected(ring.find(lostId, context), "STORAGE_UNAVAILABLE");
    const { total } = unreadable;
    const asked = [SIGNING_KEY_ID, lostId, absent];
    const other = { ...context, tenants: new Set(["other" as TenantId]) };

    for (const [time, expected] of [
      [0, asked],
      [999, []],
      [1000, asked],
      [20_000, asked],
    ] as const) {
      now = time;
      reads.length = 0;
      for (const id of asked) expect(await ring.find(id, other)).to.equal(undefined);
      expect(reads, `at ${time} ms`).to.deep.equal(expected);
    }
    expect(unreadable.total).to.equal(total);

    // The control: for callers of its tenant, one key is cached and the other one unreadable.
    const own = { ...context, tenants: new Set([TENANT]) };
    reads.length = 0;
    expect(await ring.find(SIGNING_KEY_ID, own)).not.to.equal(undefined);
    for (const _ of numbers(3)) await rejected(ring.find(lostId, own), "STORAGE_UNAVAILABLE");
    expect(reads).to.deep.equal([lostId]);
  });

  it("reads what is not theirs once a second, however many limited callers ask for it", async () => {
    let now = 0;
    const absent = mintSigningKeyId(secureRandomBytes);
    const reads: SigningKeyId[] = [];
    const ring = ringOver(
      (id) => {
        reads.push(id);
        return id === absent ? undefined : storedKey(id);
      },
      new UnreadableKeys(() => now),
      new AbsentKeys(() => now),
    );
    // What a caller of all tenants looks up spares the others nothing, or they could tell the two apart.
    for (const id of [absent, SIGNING_KEY_ID]) await ring.find(id, context);
    for (now of [0, 999, 1000]) {
      reads.length = 0;
      for (const tenant of numbers(20)) {
        const limited = { ...context, tenants: new Set([`tenant-${tenant}` as TenantId]) };
        for (const id of [absent, SIGNING_KEY_ID]) {
          expect(await ring.find(id, limited)).to.equal(undefined);
        }
      }
      expect(reads, `at ${now} ms`).to.deep.equal(now === 999 ? [] : [absent, SIGNING_KEY_ID]);
    }
    const own = { ...context, tenants: new Set([TENANT]) };
    expect(await ring.find(SIGNING_KEY_ID, own), "the control").not.to.equal(undefined);
  });

  it("reads the key of a tenant for a caller that is limited to it", async () => {
    const ring = ringOver((id) => storedKey(id));
    const other = { ...context, tenants: new Set(["other" as TenantId]) };
    const own = { ...context, tenants: new Set(["other" as TenantId, TENANT]) };
    expect(await ring.find(SIGNING_KEY_ID, other)).to.equal(undefined);
    expect(await ring.find(SIGNING_KEY_ID, own)).not.to.equal(undefined);
    expect(await ring.find(SIGNING_KEY_ID, other)).to.equal(undefined);
  });

  it("passes on what is not a failed decryption", async () => {
    const broken = { decrypt: () => expect.fail("a defect") } as unknown as KeyEncryption;
    const store: Partial<SigningKeyStore> = { find: async (id) => storedKey(id) };
    const unreadable = new UnreadableKeys(() => 0);
    const ring = new KeyRing({
      store: store as SigningKeyStore,
      encryption: broken,
      unreadable,
      absent: new AbsentKeys(() => 0),
    });
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

describe("key ring: concurrent calls", () => {
  /** A store whose reads end when the test says so. */
  function heldReads() {
    const reads: {
      id: SigningKeyId;
      signal: AbortSignal | undefined;
      end: PromiseWithResolvers<StoredSigningKey>;
    }[] = [];
    const ring = ringOver((id, { signal }) => {
      const end = Promise.withResolvers<StoredSigningKey>();
      reads.push({ id, signal, end });
      return end.promise;
    });
    return { reads, ring };
  }

  it("share one read of a key, and its failure, each with an error of its own", async () => {
    const { reads, ring } = heldReads();
    const calls = Promise.allSettled(numbers(20).map(() => ring.find(SIGNING_KEY_ID, context)));
    const other = ring.find(mintSigningKeyId(secureRandomBytes), context);
    expect(reads).to.have.length(2);
    const cause = new Error("no route to host");
    reads[0]?.end.reject(new SessionError("STORAGE_UNAVAILABLE", { cause }));
    const errors = (await calls).map((call) => (call as PromiseRejectedResult).reason);
    for (const error of errors) {
      expect(error).to.be.instanceOf(SessionError);
      expect(error).to.include({ reason: "STORAGE_UNAVAILABLE", cause });
    }
    expect(new Set(errors)).to.have.length(20);
    reads[1]?.end.resolve(await storedKey(reads[1].id));
    expect(await other).not.to.equal(undefined);

    const again = ring.find(SIGNING_KEY_ID, context);
    expect(reads).to.have.length(3);
    reads[2]?.end.resolve(await storedKey(SIGNING_KEY_ID));
    expect(await again).not.to.equal(undefined);
  });

  it("end their own wait when they are aborted, and the read when all are", async () => {
    const { reads, ring } = heldReads();
    const [one, two] = [new AbortController(), new AbortController()];
    const find = (signal: AbortSignal) =>
      ring.find(SIGNING_KEY_ID, { ...context, signal }).catch((error: unknown) => error);
    const calls = [find(one.signal), find(two.signal)];
    one.abort("one is gone");
    expect(await calls[0]).to.equal("one is gone");
    expect(reads[0]?.signal?.aborted).to.equal(false);
    two.abort("two is gone");
    expect(await calls[1]).to.equal("two is gone");
    expect(reads[0]?.signal?.aborted).to.equal(true);

    // A call that comes now does not join the aborted read.
    const late = ring.find(SIGNING_KEY_ID, context);
    expect(reads).to.have.length(2);
    reads[0]?.end.reject(new Error("aborted"));
    reads[1]?.end.resolve(await storedKey(SIGNING_KEY_ID));
    expect(await late).not.to.equal(undefined);
    expect(await find(AbortSignal.abort("gone before"))).not.to.equal("gone before");
    const unknown = mintSigningKeyId(secureRandomBytes);
    const signal = AbortSignal.abort("gone before");
    const refused = await ring.find(unknown, { ...context, signal }).catch((error) => error);
    expect(refused).to.equal("gone before");
  });
});

describe("key ring: the active keys of tenants", () => {
  const OTHER_ID = mintSigningKeyId(secureRandomBytes);

  /** A key ring over a store whose tenants have what `findActive` returns. */
  function ringOf(findActive: () => Promise<StoredSigningKey> | undefined) {
    const reads: (TenantId | SigningKeyId)[] = [];
    const unreadable = new UnreadableKeys(() => 0);
    const partial: Partial<SigningKeyStore> = {
      async findActive(tenantId) {
        reads.push(tenantId);
        return findActive();
      },
      async find(id) {
        reads.push(id);
        return storedKey(id);
      },
    };
    const store = partial as SigningKeyStore;
    const absent = new AbsentKeys(() => 0);
    return { ring: new KeyRing({ store, encryption, unreadable, absent }), reads, unreadable };
  }

  it("are those that it has read or been given, not retired ones", async () => {
    const { ring, reads } = ringOf(() => storedKey(SIGNING_KEY_ID));
    expect(ring.active(TENANT)).to.equal(undefined);
    ring.add({ id: OTHER_ID, tenantId: TENANT, retiredAt: T0 }, SECRET);
    expect(ring.active(TENANT)).to.equal(undefined);
    const read = await ring.readActive(TENANT, context);
    expect(read?.id).to.equal(SIGNING_KEY_ID);
    expect(ring.active(TENANT)).to.deep.equal(read);
    const key = ring.add({ id: OTHER_ID, tenantId: TENANT, retiredAt: undefined }, SECRET);
    expect(ring.active(TENANT)).to.deep.equal({ id: OTHER_ID, key });
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(read?.key);
    expect(reads, "each is decrypted once").to.deep.equal([TENANT]);
  });

  it("are read once for calls at once, and decrypted only if they are not cached", async () => {
    const { ring, reads } = ringOf(() => storedKey(SIGNING_KEY_ID, lost));
    const key = ring.add({ id: SIGNING_KEY_ID, tenantId: TENANT, retiredAt: T0 }, SECRET);
    const found = await Promise.all(numbers(5).map(() => ring.readActive(TENANT, context)));
    for (const active of found) expect(active).to.deep.equal({ id: SIGNING_KEY_ID, key });
    expect(reads).to.deep.equal([TENANT]);
  });

  it("are none where the tenant has none", async () => {
    const { ring } = ringOf(() => undefined);
    expect(await ring.readActive(TENANT, context)).to.equal(undefined);
    expect(ring.active(TENANT)).to.equal(undefined);
  });

  it("are none once they cannot be decrypted, and each call is counted and refused", async () => {
    const stored = [storedKey(SIGNING_KEY_ID), storedKey(OTHER_ID, lost)];
    const { ring, unreadable } = ringOf(() => stored.shift());
    await ring.readActive(TENANT, context);
    const calls = numbers(2).map(() => ring.readActive(TENANT, context));
    for (const call of calls) {
      const error = await rejected(call, "STORAGE_UNAVAILABLE");
      expect(error).to.be.instanceOf(UnreadableKeyError);
    }
    expect(ring.active(TENANT)).to.equal(undefined);
    expect(unreadable.takeRefusals()).to.deep.equal(new Map([[OTHER_ID, 2]]));
  });

  it("are known of 10,000 tenants: the one that was set first is dropped for another", () => {
    const { ring } = ringOf(() => undefined);
    const tenants = numbers(10_001).map((index) => `tenant-${index}` as TenantId);
    const add = (tenantId: TenantId | undefined) =>
      ring.add({ id: OTHER_ID, tenantId: tenantId as TenantId, retiredAt: undefined }, SECRET);
    const [first, second, third] = tenants;
    for (const tenantId of tenants.slice(0, -1)) add(tenantId);
    add(first);
    add(tenants.at(-1));
    const isKnown = (tenantId = first as TenantId) => ring.active(tenantId) !== undefined;
    expect([first, second, third].map(isKnown)).to.deep.equal([true, false, true]);
  });
});

describe("absent keys", () => {
  const ids = numbers(10_002).map(() => mintSigningKeyId(secureRandomBytes));
  const [first, second, third] = ids as [SigningKeyId, SigningKeyId, SigningKeyId];

  it("are known for a second", () => {
    let now = 5;
    const absent = new AbsentKeys(() => now);
    expect(absent.has(first)).to.equal(false);
    absent.add(first);
    now = 1004;
    expect(absent.has(first)).to.equal(true);
    now = 1005;
    expect(absent.has(first)).to.equal(false);
  });

  it("are 10,000 at most: the oldest is dropped for another", () => {
    const absent = new AbsentKeys(() => 0);
    for (const id of ids) absent.add(id);
    expect([first, second, third].map((id) => absent.has(id))).to.deep.equal([false, false, true]);
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

  it("keeps 10,000 keys and drops the oldest for another", () => {
    const unreadable = new UnreadableKeys(() => 0);
    for (const id of ids) unreadable.add(keyOf(id));
    expect([oldest, second, newest].map((id) => unreadable.mustRefuse(id))).to.deep.equal([
      false,
      true,
      true,
    ]);
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

  it("is OpenSSL's for any key and text, one after another with the same key", () => {
    const secrets = fc.uint8Array({ maxLength: 64 });
    const text = fc.string({ unit: "binary", maxLength: 300, size: "max" });
    const texts = fc.array(text, { maxLength: 5 });
    fc.assert(
      fc.property(secrets, texts, (secret, all) => {
        const key = new MacKey(Buffer.from(secret));
        for (const text of all) {
          const expected = createHmac("sha256", secret).update(text).digest("base64url");
          expect(key.mac(text)).to.equal(expected);
        }
      }),
    );
  });

  it("takes no key that would have to be hashed first", () => {
    expect(() => new MacKey(Buffer.alloc(65))).to.throw(RangeError, "too long");
  });
});
