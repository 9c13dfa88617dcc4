import { createHmac } from "node:crypto";
import { expect } from "chai";
import { SessionError } from "../../src/session/errors.ts";
import { mintSigningKeyId, type SigningKeyId, secureRandomBytes } from "../../src/session/ids.ts";
import { KeyDecryptionError, KeyEncryption } from "../../src/session/key-encryption.ts";
import { KeyRing } from "../../src/session/key-ring.ts";
import type { StoredSigningKey } from "../../src/session/signing-key.ts";
import { signingKeyStateAt, verifiesUntil } from "../../src/session/signing-key.ts";
import type { SigningKeyStore } from "../../src/session/signing-key-store.ts";
import { SigningKeys } from "../../src/session/signing-keys.ts";
import { rejected } from "../support/expect-reason.ts";
import { context, SIGNING_KEY_ID, T0, TENANT, timeouts } from "../support/session-fixtures.ts";

const encryption = new KeyEncryption([Buffer.alloc(32, 1)], secureRandomBytes);
const SECRET = Buffer.alloc(32, 9);

function storedKey(id: SigningKeyId, under = encryption): StoredSigningKey {
  const encrypted = under.encrypt(SECRET, id, TENANT);
  return { id, tenantId: TENANT, createdAt: T0, retiredAt: undefined, encrypted };
}

/** What a test does not define must not be called. */
function storeOf(methods: Partial<SigningKeyStore>): SigningKeyStore {
  return methods as SigningKeyStore;
}

describe("signing keys: state", () => {
  const retired = { retiredAt: T0 };
  const until = T0 + timeouts.keyRetentionMs;

  it("A10, A11: a retired key verifies until its retention ends, and not at that instant", () => {
    expect(verifiesUntil(retired, timeouts)).to.equal(until);
    const states = [T0, until - 1, until, until + 1].map((now) =>
      signingKeyStateAt(retired, now, timeouts),
    );
    expect(states).to.deep.equal(["RETIRED", "RETIRED", "EXPIRED", "EXPIRED"]);
  });

  it("an active key verifies for ever", () => {
    const active = { retiredAt: undefined };
    expect(verifiesUntil(active, timeouts)).to.equal(undefined);
    expect(signingKeyStateAt(active, Number.MAX_SAFE_INTEGER, timeouts)).to.equal("ACTIVE");
  });
});

describe("signing keys: the first one", () => {
  const none = () => {
    throw new Error("no entropy");
  };

  it("A16: fails with INITIAL_SIGNING_KEY_MINT_FAILED without randomness, and stores nothing", async () => {
    const keys = new SigningKeys(storeOf({}), encryption, none);
    const error = await rejected(keys.ensureDefault(context), "INITIAL_SIGNING_KEY_MINT_FAILED");
    expect((error.cause as Error).message).to.equal("no entropy");
  });

  it("A16: does so too where there is none left for the nonce", async () => {
    const keys = new SigningKeys(
      storeOf({}),
      new KeyEncryption([Buffer.alloc(32)], none),
      secureRandomBytes,
    );
    await rejected(keys.ensureFirst(TENANT, context), "INITIAL_SIGNING_KEY_MINT_FAILED");
  });

  it("A26: is stored encrypted, and decrypts to 32 bytes in its own place", async () => {
    let found: Buffer | undefined;
    const store = storeOf({
      async insertFirst({ id, tenantId, encrypted }) {
        found = encryption.decrypt(encrypted, id, tenantId);
        return true;
      },
    });
    const keys = new SigningKeys(store, encryption, secureRandomBytes);
    expect(await keys.ensureFirst(TENANT, context)).to.equal(true);
    expect(found).to.have.length(32);
  });
});

describe("signing keys: re-wrapping", () => {
  const [one, two] = [mintSigningKeyId(secureRandomBytes), mintSigningKeyId(secureRandomBytes)];
  const other = new KeyEncryption([Buffer.alloc(32, 2)], secureRandomBytes);
  const both = new KeyEncryption([Buffer.alloc(32, 2), Buffer.alloc(32, 1)], secureRandomBytes);

  function keysOver(stored: StoredSigningKey[], under: KeyEncryption) {
    const rewrapped: SigningKeyId[] = [];
    const store = storeOf({
      async *all() {
        yield* stored;
      },
      async rewrap(id, from, to) {
        expect(from).to.equal(stored.find((key) => key.id === id)?.encrypted);
        expect(other.decrypt(to, id, TENANT)).to.deep.equal(SECRET);
        rewrapped.push(id);
      },
    });
    return { keys: new SigningKeys(store, under, secureRandomBytes), rewrapped };
  }

  it("puts what is under an older key under the first one, and leaves the rest", async () => {
    const { keys, rewrapped } = keysOver([storedKey(one), storedKey(two, other)], both);
    expect(await keys.verifyAndRewrap(context)).to.equal(1);
    expect(rewrapped).to.deep.equal([one]);
  });

  it("A26: changes nothing if any key does not decrypt", async () => {
    const lost = new KeyEncryption([Buffer.alloc(32, 3)], secureRandomBytes);
    const { keys, rewrapped } = keysOver([storedKey(one), storedKey(two, lost)], both);
    const error = await keys.verifyAndRewrap(context).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(KeyDecryptionError);
    expect(rewrapped).to.deep.equal([]);
  });
});

describe("key ring", () => {
  it("reads each key once, and gives the secret that signs", async () => {
    const stored = storedKey(SIGNING_KEY_ID);
    let reads = 0;
    const store = storeOf({
      async find(id) {
        reads += 1;
        expect(id).to.equal(SIGNING_KEY_ID);
        return stored;
      },
    });
    const ring = new KeyRing(store, encryption);
    const key = await ring.find(SIGNING_KEY_ID, context);
    if (key === undefined) throw new Error("no key");
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(key);
    expect(reads).to.equal(1);
    const expected = createHmac("sha256", SECRET).update("text").digest("base64url");
    expect(key.mac("text")).to.equal(expected);
  });

  it("A09: does not remember that a key was absent, nor an outage", async () => {
    const outcomes: (() => StoredSigningKey | undefined)[] = [
      () => undefined,
      () => {
        throw new Error("outage");
      },
      () => storedKey(SIGNING_KEY_ID),
    ];
    const store = storeOf({ find: async () => outcomes.shift()?.() });
    const ring = new KeyRing(store, encryption);
    expect(await ring.find(SIGNING_KEY_ID, context)).to.equal(undefined);
    const error = await ring.find(SIGNING_KEY_ID, context).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal("outage");
    expect(await ring.find(SIGNING_KEY_ID, context)).not.to.equal(undefined);
  });

  it("A26: takes a row that does not decrypt for an outage, and does not remember it", async () => {
    const lost = new KeyEncryption([Buffer.alloc(32, 3)], secureRandomBytes);
    const stored = [storedKey(SIGNING_KEY_ID, lost), storedKey(SIGNING_KEY_ID)];
    const ring = new KeyRing(storeOf({ find: async () => stored.shift() }), encryption);
    const error = await ring.find(SIGNING_KEY_ID, context).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(SessionError).with.property("reason", "STORAGE_UNAVAILABLE");
    expect((error as SessionError).cause).to.be.instanceOf(KeyDecryptionError);
    expect(await ring.find(SIGNING_KEY_ID, context)).not.to.equal(undefined);
  });

  it("keeps 10,000 keys and lets the oldest go for another", async () => {
    const reads: SigningKeyId[] = [];
    const store = storeOf({
      async find(id) {
        reads.push(id);
        return storedKey(id);
      },
    });
    const ring = new KeyRing(store, encryption);
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
