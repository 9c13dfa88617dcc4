import type { CallContext } from "./call-context.ts";
import type { Instant, MonotonicClock } from "./clock.ts";
import { SessionError } from "./errors.ts";
import type { TokenKeyId } from "./ids.ts";
import type { KeyEncryption } from "./key-encryption.ts";
import { rethrowAsOwn, SharedReads } from "./shared-reads.ts";
import {
  isPublished,
  type StoredTokenKey,
  signingOrder,
  type TokenKey,
  tokenKeyContext,
} from "./token-key.ts";
import type { TokenKeyStore } from "./token-key-store.ts";
import type { TokenSigner, TokenSigningKey } from "./token-signer.ts";

/** How often the keys should be read: `refresh` is called by whoever has a timer. */
export const REFRESH_INTERVAL_MS = 30_000;
/** A key is published longer than this before it signs, so no older set of keys may choose one. */
const MAX_SIGNING_AGE_MS = 60_000;
/** How old what is answered to a request for the public keys may be. */
const MAX_PUBLISHED_AGE_MS = 1000;
/** For this long, requests for the public keys wait for newer ones. A database that hangs may take far longer. */
const MAX_PUBLISHED_WAIT_MS = 1000;
/** For this long after a failure, the keys are not read again. */
const RETRY_INTERVAL_MS = 1000;

/** A key with what it can sign with. */
interface LoadedTokenKey extends TokenKey {
  readonly signing: TokenSigningKey;
}

/** The published keys at an instant of the database's clock. */
interface Snapshot {
  readonly now: Instant;
  /** By the monotonic clock. */
  readonly readAt: number;
  /** The latest that begins to sign is the first. */
  readonly keys: readonly LoadedTokenKey[];
}

/** A JSON Web Key Set (RFC 7517). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, string>>[];
}

export interface TokenKeyRingDependencies {
  readonly store: TokenKeyStore;
  readonly encryption: KeyEncryption;
  readonly signer: TokenSigner;
  readonly clock: MonotonicClock;
  /** Called when a key cannot be used, once until it can. The error contains nothing of the key. */
  readonly onUnusable: (key: TokenKey, error: unknown) => void;
  /** Runs each read of the keys, such as in a span, and settles as it does. */
  readonly runRead: <T>(read: () => Promise<T>) => Promise<T>;
  /** Resolves when the work has ended, or after that many milliseconds. The work does not reject. */
  readonly waitAtMost: (ms: number, work: Promise<void>) => Promise<void>;
}

/**
 * The token keys that are published, decrypted in memory. Unlike sessions they are not read for each call:
 * a new key is published for a while before it signs, so every process knows it by then.
 *
 * A key is only published by a process that could decrypt it, and the public key is that of the private
 * one. So nobody gets a key published by writing it to the database.
 */
export class TokenKeyRing {
  readonly #deps: TokenKeyRingDependencies;
  readonly #reads = new SharedReads<"published", Snapshot>();
  #snapshot: Snapshot | undefined;
  /** While newer keys are read for requests: what these wait for, which may end before the read does. */
  #updating: Promise<void> | undefined;
  #imported = new Map<TokenKeyId, TokenSigningKey>();
  #unusable = new Set<TokenKeyId>();
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Reads are numbered, so that one that ends late does not bring back what was before. */
  #lastBegun = 0;
  #lastLoaded = 0;

  constructor(dependencies: TokenKeyRingDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Reads the published keys, also if they are just being read: what was committed before the call is in
   * force when this resolves.
   *
   * @throws {SessionError} STORAGE_UNAVAILABLE or OVERLOADED if the database does not answer; then those that
   * were read before stay
   */
  async refresh(context: CallContext): Promise<void> {
    await this.#load(context);
  }

  /**
   * The key that signs at this time.
   *
   * @param lifetimeMs of what it signs: the key is published for longer
   * @throws {SessionError} STORAGE_UNAVAILABLE if there is none, or the keys could not be read for a minute
   */
  async signingKey(
    now: Instant,
    lifetimeMs: number,
    context: CallContext,
  ): Promise<LoadedTokenKey> {
    const known = await this.#read(MAX_SIGNING_AGE_MS, context);
    const [key] = signingOrder(known.keys, now, lifetimeMs);
    if (key !== undefined) return key;
    // Another process may just have made one.
    const { keys } = await this.#read(MAX_PUBLISHED_AGE_MS, context);
    const [made] = signingOrder(keys, now, lifetimeMs);
    if (made === undefined) throw new SessionError("STORAGE_UNAVAILABLE");
    return made;
  }

  /**
   * The public keys that are published, at most a second old. While they cannot be read, or not within a
   * second, those that were read last, as long as they are published: then it takes a second at most.
   *
   * @throws {SessionError} STORAGE_UNAVAILABLE or OVERLOADED if there are none
   */
  async publicKeys(context: CallContext): Promise<JsonWebKeySet> {
    if (this.#snapshot !== undefined && !this.#isRecent(this.#snapshot, MAX_PUBLISHED_AGE_MS)) {
      this.#updating ??= this.#update();
      await this.#updating;
    }
    context.signal?.throwIfAborted();
    const known = await this.#read(Number.POSITIVE_INFINITY, context);
    const now = this.#nowByDatabase(known);
    const published = known.keys.filter((key) => isPublished(key, now));
    if (published.length === 0) throw new SessionError("STORAGE_UNAVAILABLE");
    return {
      keys: published.map(({ id, signing }) => ({
        ...signing.publicJwk,
        kid: id,
        alg: signing.algorithm,
        use: "sig",
      })),
    };
  }

  /** The age of the key that signs now, as far as this process knows. Undefined if there is none. */
  signingKeyAgeMs(): number | undefined {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return undefined;
    const now = this.#nowByDatabase(snapshot);
    const [key] = signingOrder(snapshot.keys, now, 0);
    return key && now - key.createdAt;
  }

  /** What the database's clock should say now. */
  #nowByDatabase({ now, readAt }: Snapshot): Instant {
    return now + this.#deps.clock() - readAt;
  }

  #isRecent({ readAt }: Snapshot, maxAgeMs: number): boolean {
    return this.#deps.clock() - readAt <= maxAgeMs;
  }

  /**
   * Reads newer keys for requests, and resolves when that has ended or takes too long. Whoever comes later
   * does not wait anew for a read that hangs.
   */
  #update(): Promise<void> {
    const forAll = { signal: undefined, callingService: "sessiond" };
    const end = () => {
      this.#updating = undefined;
    };
    const read = this.#read(MAX_PUBLISHED_AGE_MS, forAll).then(end, end);
    return this.#deps.waitAtMost(MAX_PUBLISHED_WAIT_MS, read);
  }

  /** The keys as they were at most this long ago. */
  async #read(maxAgeMs: number, context: CallContext): Promise<Snapshot> {
    const snapshot = this.#snapshot;
    if (snapshot !== undefined && this.#isRecent(snapshot, maxAgeMs)) return snapshot;
    if (this.#deps.clock() - this.#failedAt < RETRY_INTERVAL_MS) {
      throw new SessionError("STORAGE_UNAVAILABLE");
    }
    const load = (signal: AbortSignal) => this.#load({ signal, callingService: "sessiond" });
    return this.#reads.join("published", context.signal, load).catch(rethrowAsOwn);
  }

  #load(context: CallContext): Promise<Snapshot> {
    return this.#deps.runRead(() => this.#loadNow(context));
  }

  async #loadNow(context: CallContext): Promise<Snapshot> {
    const { store, clock } = this.#deps;
    const readAt = clock();
    this.#lastBegun += 1;
    const number = this.#lastBegun;
    try {
      const { now, keys } = await store.published(context);
      const loaded: LoadedTokenKey[] = [];
      for (const { encrypted, ...key } of keys) {
        const signing = await this.#import({ encrypted, ...key }, context);
        if (signing !== undefined) loaded.push({ ...key, signing });
      }
      loaded.sort((one, other) => other.signsFrom - one.signsFrom);
      const snapshot = { now, readAt, keys: loaded };
      if (number < this.#lastLoaded) return snapshot;
      this.#lastLoaded = number;
      // Those that are not published any more are forgotten.
      this.#unusable = new Set(keys.map(({ id }) => id).filter((id) => this.#unusable.has(id)));
      this.#imported = new Map(loaded.map(({ id, signing }) => [id, signing]));
      this.#snapshot = snapshot;
      return snapshot;
    } catch (error) {
      context.signal?.throwIfAborted();
      // Now: a read that hangs fails long after it has begun.
      this.#failedAt = clock();
      throw error;
    }
  }

  /** Undefined if the key cannot be used now. The others still can. */
  async #import(
    { id, algorithm, encrypted, ...key }: StoredTokenKey,
    { signal }: CallContext,
  ): Promise<TokenSigningKey | undefined> {
    const known = this.#imported.get(id);
    if (known !== undefined) return known;
    const { encryption, signer, onUnusable } = this.#deps;
    try {
      const material = await encryption.decrypt(encrypted, tokenKeyContext({ id }), signal);
      const signing = await signer.import(algorithm, material);
      this.#unusable.delete(id);
      return signing;
    } catch (error) {
      signal?.throwIfAborted();
      if (!this.#unusable.has(id)) onUnusable({ id, algorithm, ...key }, error);
      this.#unusable.add(id);
      return undefined;
    }
  }
}
