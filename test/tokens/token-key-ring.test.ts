import { expect } from "chai";
import { SessionError } from "../../src/session/errors.ts";
import { mintTokenKeyId, secureRandomBytes, type TokenKeyId } from "../../src/session/ids.ts";
import { KeyEncryption } from "../../src/session/key-encryption.ts";
import { LocalKeyWrapper } from "../../src/session/local-key-wrapper.ts";
import {
  KEEP_PUBLISHED_MS,
  type StoredTokenKey,
  signingOrder,
  type TokenKey,
  tokenKeyContext,
  tokenKeyStateAt,
} from "../../src/session/token-key.ts";
import { TokenKeyRing } from "../../src/session/token-key-ring.ts";
import type { PublishedTokenKeys, TokenKeyStore } from "../../src/session/token-key-store.ts";
import type { TokenSigner } from "../../src/session/token-signer.ts";
import { joseTokenSigner } from "../../src/tokens/jose-token-signer.ts";
import { rejected } from "../support/expect-reason.ts";
import { context, HOUR, MINUTE, SECOND, T0 } from "../support/session-fixtures.ts";
import { until } from "../support/until.ts";

const under = (key: number) =>
  new KeyEncryption([new LocalKeyWrapper([Buffer.alloc(32, key)], secureRandomBytes)]);
const encryption = under(1);
const lost = under(2);

const newId = () => mintTokenKeyId(secureRandomBytes);

async function storedKey(facts: Partial<TokenKey> = {}, by = encryption): Promise<StoredTokenKey> {
  const id = newId();
  const { algorithm = "ES256" } = facts;
  const material = await joseTokenSigner.generate(algorithm);
  const encrypted = await by.encrypt(material, tokenKeyContext({ id }), undefined);
  const times = { createdAt: T0, signsFrom: T0, publishedUntil: undefined };
  return { id, algorithm, ...times, ...facts, encrypted };
}

/** A ring over keys that the test changes, by clocks that the test moves. */
function ringOver(...keys: StoredTokenKey[]) {
  const world = {
    keys,
    /** The database's clock. */
    now: T0,
    /** The monotonic one. */
    clock: 0,
    reads: 0,
    /** How many reads were run by `runRead`. */
    runs: 0,
    imports: 0,
    failure: undefined as unknown,
    unusable: [] as string[],
    /** How long requests were ready to wait for newer keys. */
    waits: [] as number[],
    waitAtMost: (work: Promise<void>): Promise<void> => work,
    read: (): Promise<PublishedTokenKeys> => Promise.resolve({ now: world.now, keys: world.keys }),
    pass(ms: number) {
      world.now += ms;
      world.clock += ms;
    },
  };
  const store: Partial<TokenKeyStore> = {
    async published() {
      world.reads += 1;
      if (world.failure !== undefined) throw world.failure;
      return world.read();
    },
  };
  const signer: TokenSigner = {
    generate: joseTokenSigner.generate,
    import(algorithm, key) {
      world.imports += 1;
      return joseTokenSigner.import(algorithm, key);
    },
  };
  const ring = new TokenKeyRing({
    store: store as TokenKeyStore,
    encryption,
    signer,
    clock: () => world.clock,
    onUnusable: ({ id }, error) => world.unusable.push(`${id}: ${(error as Error).message}`),
    runRead(read) {
      world.runs += 1;
      return read();
    },
    waitAtMost(ms, work) {
      world.waits.push(ms);
      return world.waitAtMost(work);
    },
  });
  const signingId = async () => (await ring.signingKey(world.now, MINUTE, context)).id;
  const publishedIds = async () => (await ring.publicKeys(context)).keys.map(({ kid }) => kid);
  return { ring, world, signingId, publishedIds };
}

const outage = () => new SessionError("STORAGE_UNAVAILABLE", { message: "of the database" });

describe("token key ring", () => {
  it("signs with the key that began last, by the time of the call, not by its own clock", async () => {
    const old = await storedKey({ publishedUntil: T0 + 10 * MINUTE + KEEP_PUBLISHED_MS });
    const next = await storedKey({ signsFrom: T0 + 10 * MINUTE });
    const { ring, world } = ringOver(next, old);
    const idAt = async (now: number) => (await ring.signingKey(now, MINUTE, context)).id;
    expect(await idAt(T0)).to.equal(old.id);
    expect(await idAt(T0 + 10 * MINUTE - 1)).to.equal(old.id);
    expect(await idAt(T0 + 10 * MINUTE)).to.equal(next.id);
    expect([world.reads, world.imports]).to.deep.equal([1, 2]);
  });

  it("publishes a key before it signs and until it expires, with what verifiers need", async () => {
    const old = await storedKey({ publishedUntil: T0 + MINUTE });
    const next = await storedKey({ algorithm: "EdDSA", signsFrom: T0 + HOUR });
    const { ring, world, publishedIds } = ringOver(old, next);
    const { keys } = await ring.publicKeys(context);
    expect(keys.map(({ kid }) => kid)).to.deep.equal([next.id, old.id]);
    const [first, second] = keys;
    expect(first).to.include({ kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig" });
    expect(second).to.include({ kty: "EC", crv: "P-256", alg: "ES256", use: "sig" });
    for (const key of keys) expect(key).not.to.have.any.keys("d", "p", "q");
    // The database does not answer, and the key's end passes meanwhile.
    world.failure = outage();
    world.pass(MINUTE - 1);
    expect(await publishedIds()).to.deep.equal([next.id, old.id]);
    world.pass(1);
    expect(await publishedIds()).to.deep.equal([next.id]);
  });

  it("reads the keys again for whoever asks for them a second later, once for all", async () => {
    const { world, publishedIds } = ringOver(await storedKey());
    await publishedIds();
    world.pass(SECOND);
    await publishedIds();
    expect(world.reads).to.equal(1);
    world.pass(1);
    await Promise.all([publishedIds(), publishedIds(), publishedIds()]);
    expect(world.reads).to.equal(2);
    expect(world.runs, "what is in memory is no read").to.equal(2);
  });

  it("publishes the keys that it has while newer ones take longer than a second to read (H03)", async () => {
    const old = await storedKey();
    const { world, publishedIds } = ringOver(old);
    await publishedIds();
    world.pass(SECOND + 1);
    const read = Promise.withResolvers<PublishedTokenKeys>();
    world.read = () => read.promise;
    const second = Promise.withResolvers<void>();
    world.waitAtMost = (work) => Promise.race([work, second.promise]);
    const waiting = Promise.all([publishedIds(), publishedIds()]);
    second.resolve();
    expect(await waiting).to.deep.equal([[old.id], [old.id]]);
    // The read still hangs: nobody waits for it again.
    world.pass(10 * SECOND);
    expect(await publishedIds()).to.deep.equal([old.id]);
    expect([world.reads, world.waits]).to.deep.equal([2, [SECOND]]);
    // It goes on without those who have begun it.
    const next = await storedKey({ signsFrom: T0 + 1 });
    read.resolve({ now: world.now, keys: [old, next] });
    await until("the new key is published", async () => (await publishedIds()).length === 2);
  });

  it("does not read the keys again for a second after the end of a read that failed (H03)", async () => {
    const key = await storedKey();
    const { world, publishedIds } = ringOver(key);
    await publishedIds();
    world.pass(MINUTE);
    world.read = () => {
      world.pass(11 * SECOND);
      return Promise.reject(outage());
    };
    expect(await publishedIds()).to.deep.equal([key.id]);
    world.pass(SECOND - 1);
    expect(await publishedIds()).to.deep.equal([key.id]);
    expect(world.reads).to.equal(2);
    world.pass(1);
    await publishedIds();
    expect(world.reads).to.equal(3);
  });

  it("knows a key of another process at the latest when no other one can sign", async () => {
    const { world, signingId } = ringOver();
    await rejected(signingId(), "STORAGE_UNAVAILABLE");
    world.keys = [await storedKey()];
    await rejected(signingId(), "STORAGE_UNAVAILABLE");
    world.pass(SECOND + 1);
    expect(await signingId()).to.equal(world.keys[0]?.id);
  });

  it("signs with keys that are a minute old at most, and fails without newer ones", async () => {
    const key = await storedKey();
    const { world, signingId } = ringOver(key);
    await signingId();
    world.failure = outage();
    world.pass(MINUTE);
    expect(await signingId()).to.equal(key.id);
    world.pass(1);
    const errors = await Promise.all(
      [signingId(), signingId()].map((call) => call.catch((e) => e)),
    );
    for (const error of errors) {
      expect(error).to.include({ reason: "STORAGE_UNAVAILABLE", message: "of the database" });
    }
    expect(errors[0], "each call has its own").not.to.equal(errors[1]);
    expect(world.reads).to.equal(2);
    // For a second, nobody asks again.
    world.pass(SECOND - 1);
    await rejected(signingId(), "STORAGE_UNAVAILABLE");
    expect(world.reads).to.equal(2);
    world.failure = undefined;
    world.pass(1);
    expect(await signingId()).to.equal(key.id);
  });

  it("tells the age of the key that signs, by the database's clock", async () => {
    const key = await storedKey({ signsFrom: T0 + MINUTE });
    const { ring, world } = ringOver(key);
    expect(ring.signingKeyAgeMs()).to.equal(undefined);
    await ring.refresh(context);
    expect(ring.signingKeyAgeMs()).to.equal(undefined);
    world.pass(MINUTE);
    expect(ring.signingKeyAgeMs()).to.equal(MINUTE);
  });

  it("has nothing to publish before it has read any key", async () => {
    const { world, publishedIds } = ringOver(await storedKey());
    world.failure = outage();
    await rejected(publishedIds(), "STORAGE_UNAVAILABLE");
  });

  it("H02: neither publishes nor signs with a key that it cannot decrypt, and says so once", async () => {
    const good = await storedKey();
    const unreadable = await storedKey({ signsFrom: T0 + 1 }, lost);
    const { ring, world, signingId, publishedIds } = ringOver(good, unreadable);
    world.pass(MINUTE);
    expect(await publishedIds()).to.deep.equal([good.id]);
    expect(await signingId()).to.equal(good.id);
    await ring.refresh(context);
    expect(world.unusable).to.have.length(1);
    expect(world.unusable[0]).to.include(`token key ${unreadable.id} cannot be decrypted`);
    // Another process has put it under a key-encryption key that this one has.
    const readable = await storedKey();
    world.keys = [good, { ...readable, signsFrom: T0 + 1 }];
    await ring.refresh(context);
    expect(await signingId()).to.equal(readable.id);
    // What was unusable and is not published any more is forgotten.
    world.keys = [good, unreadable];
    await ring.refresh(context);
    expect(world.unusable).to.have.length(2);
    await rejected(ringOver(unreadable).publishedIds(), "STORAGE_UNAVAILABLE");
  });

  it("H02: does not publish the key of whoever can only write to the database", async () => {
    const good = await storedKey();
    const copied = { ...good, id: newId(), signsFrom: T0 + 1 };
    const anotherAlgorithm = { ...(await storedKey()), algorithm: "EdDSA" } as const;
    const id = newId();
    const encrypted = await encryption.encrypt(
      Buffer.from("x"),
      tokenKeyContext({ id }),
      undefined,
    );
    const { world, publishedIds } = ringOver(
      copied,
      anotherAlgorithm,
      { ...good, id, encrypted },
      good,
    );
    expect(await publishedIds()).to.deep.equal([good.id]);
    expect(world.unusable).to.have.length(3);
    expect(world.unusable[1]).to.include("the key is of the curve P-256, not Ed25519");
    expect(world.unusable[2]).to.include("it is not a private key in PKCS #8");
  });

  it("does not let a read that ends late bring back what was before", async () => {
    const old = await storedKey();
    const { ring, world, signingId } = ringOver(old);
    await signingId();
    const late = Promise.withResolvers<PublishedTokenKeys>();
    const { read } = world;
    world.read = () => late.promise;
    const reading = ring.refresh(context);
    world.read = read;
    const key = await storedKey();
    world.keys = [key];
    await ring.refresh(context);
    late.resolve({ now: world.now, keys: [old] });
    await reading;
    expect(await signingId()).to.equal(key.id);
  });

  it("ends with the signal of whoever waits, and counts that as no failure", async () => {
    const key = await storedKey();
    const { ring, world, signingId } = ringOver(key);
    const reason = new Error("gone");
    const abort = new AbortController();
    world.read = () => {
      abort.abort(reason);
      return Promise.reject(reason);
    };
    const aborted = { ...context, signal: abort.signal };
    const errors = [ring.refresh(aborted), ring.publicKeys({ ...aborted })];
    for (const call of errors) expect(await call.catch((thrown) => thrown)).to.equal(reason);
    world.read = () => Promise.resolve({ now: world.now, keys: world.keys });
    expect(await signingId()).to.equal(key.id);
    // While a key is decrypted, too.
    const late = new AbortController();
    const slow = ringOver(key);
    slow.world.read = async () => {
      queueMicrotask(() => late.abort(reason));
      return { now: T0, keys: [await storedKey({}, lost)] };
    };
    const call = slow.ring.refresh({ ...context, signal: late.signal });
    expect(await call.catch((thrown) => thrown)).to.equal(reason);
    expect(slow.world.unusable).to.deep.equal([]);
  });
});

describe("token keys by time", () => {
  const key = (signsFrom: number, publishedUntil?: number): TokenKey => ({
    id: `tk-${signsFrom}-${publishedUntil}` as TokenKeyId,
    algorithm: "ES256",
    createdAt: T0,
    signsFrom,
    publishedUntil,
  });

  it("sign only what is verified until it expires", () => {
    const ends = key(T0, T0 + MINUTE);
    expect(signingOrder([ends], T0 - 1, MINUTE - 1)).to.deep.equal([]);
    expect(signingOrder([ends], T0, MINUTE - 1)).to.deep.equal([ends]);
    expect(signingOrder([ends], T0, MINUTE)).to.deep.equal([]);
  });

  it("are chosen alike by all, also if two begin at the same instant", () => {
    const [last, other] = [key(T0), key(T0, T0 + HOUR)];
    for (const keys of [
      [last, other],
      [other, last],
    ]) {
      expect(signingOrder(keys, T0, MINUTE)).to.deep.equal([last, other]);
    }
  });

  it("are published, then active, then retired when another one begins", () => {
    const begins = T0 + 10 * MINUTE;
    const next = begins + HOUR;
    const ended = key(begins, next + KEEP_PUBLISHED_MS);
    const states = [T0, begins - 1, begins, next - 1, next, next + HOUR].map((now) =>
      tokenKeyStateAt(ended, now),
    );
    expect(states).to.deep.equal([
      ...["PUBLISHED", "PUBLISHED", "ACTIVE", "ACTIVE", "RETIRED", "RETIRED"],
    ]);
    expect(tokenKeyStateAt(key(begins), Number.MAX_SAFE_INTEGER)).to.equal("ACTIVE");
    // Replaced at once, before it has begun.
    expect(tokenKeyStateAt(key(begins, T0), T0)).to.equal("RETIRED");
  });
});
