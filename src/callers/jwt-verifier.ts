import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { CallerRefusedError, KeysUnavailableError } from "./caller.ts";

export interface JwtRules {
  /** `iss` must be this. */
  readonly issuer: string;
  /** `aud` must be this, or contain it. */
  readonly audience: string;
  /** The algorithms of signatures, all of them asymmetric. */
  readonly algorithms: readonly string[];
}

/** The public keys that verify JWTs. */
export type JwtKeys = JWTVerifyGetKey;

/** Who a JWT is about, and until when it is valid, in milliseconds since 1970. */
export interface VerifiedJwt {
  readonly subject: string;
  readonly expiresAt: number;
}

/** By how much the clock of the issuer may differ. */
const CLOCK_TOLERANCE_S = 5;
/** How long a request for the keys may take. */
const FETCH_TIMEOUT_MS = 3000;
/** The first JWT after this time makes the keys be fetched again, in the background. */
const REFRESH_MS = 540_000;
/** With keys older than this, a JWT waits until they are fetched again, or that has failed. */
const MAX_AGE_MS = 600_000;
/** How often keys are fetched at most while some are known: for unknown key ids, and after a failure. */
const COOLDOWN_MS = 30_000;
/** The same after a failure while none are known. */
const RETRY_MS = 1000;

/** These are about the token. All other failures to find a key are about the keys. */
const tokenErrors = [
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JOSENotSupported,
];

/**
 * Verifies a JWT: signature, algorithm, issuer, audience, `exp` (required) and `nbf`.
 *
 * @throws {CallerRefusedError} if it is not valid
 * @throws {KeysUnavailableError} if there are no keys to verify it with
 */
export async function verifyJwt(
  token: string,
  keys: JwtKeys,
  { issuer, audience, algorithms }: JwtRules,
  now: number,
): Promise<VerifiedJwt> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: [...algorithms],
      requiredClaims: ["sub", "exp"],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(now),
    });
    const { sub, exp } = payload;
    if (typeof sub !== "string" || exp === undefined) {
      throw new CallerRefusedError("the JWT has no subject");
    }
    return { subject: sub, expiresAt: (exp + CLOCK_TOLERANCE_S) * 1000 };
  } catch (error) {
    if (error instanceof CallerRefusedError || error instanceof KeysUnavailableError) throw error;
    // Such as a TypeError about a key of the set that is too short.
    if (!(error instanceof errors.JOSEError)) {
      throw new KeysUnavailableError("the JSON Web Key Set cannot be used", { cause: error });
    }
    // The messages of jose may quote what the token contains; these parts do not.
    const claim = error instanceof errors.JWTClaimValidationFailed ? ` (${error.claim})` : "";
    throw new CallerRefusedError(`the JWT is not valid: ${error.code}${claim}`);
  }
}

function asAvailable(find: JWTVerifyGetKey): JwtKeys {
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (cause) {
      if (tokenErrors.some((type) => cause instanceof type)) throw cause;
      throw new KeysUnavailableError("the JSON Web Key Set cannot be used", { cause });
    }
  };
}

/**
 * The keys of a JSON Web Key Set.
 *
 * @param text its JSON
 * @throws {Error} if it is none, or has a key that is not public; the message quotes nothing of it
 */
export function keysOfSet(text: string): JwtKeys {
  let set: { readonly keys?: unknown };
  try {
    set = JSON.parse(text) ?? {};
  } catch {
    throw new Error("it is not JSON");
  }
  const { keys } = set;
  if (!Array.isArray(keys) || keys.length === 0) throw new Error("it has no list of keys");
  for (const [index, key] of keys.entries()) {
    const isPublic = typeof key === "object" && key !== null && key.kty !== "oct" && !("d" in key);
    if (!isPublic) throw new Error(`key ${index + 1} is not a public key`);
  }
  return asAvailable(createLocalJWKSet(set as JSONWebKeySet));
}

export interface KeysOfUrlOptions {
  /** Milliseconds of a clock that never goes back: a wall clock that does would stop the refreshes. */
  readonly clock?: (() => number) | undefined;
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * The keys of the JSON Web Key Set at a URL. They are fetched at the first use, when a token names an
 * unknown key, and when a JWT finds them too old. If that fails, the keys that are known stay in use.
 *
 * @param onError called once for each time that keys in use cannot be refreshed
 */
export function keysOfUrl(
  url: URL,
  onError: (error: unknown) => void,
  { clock = () => performance.now(), fetch = globalThis.fetch }: KeysOfUrlOptions = {},
): JwtKeys {
  let fetchedAt: number | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;

  const checkedFetch: typeof globalThis.fetch = async (...request) => {
    if (clock() - failedAt < (fetchedAt === undefined ? RETRY_MS : COOLDOWN_MS)) {
      throw new Error("the last request for the keys has just failed");
    }
    try {
      const response = await fetch(...request);
      if (response.status !== 200) throw new Error(`the answer has the status ${response.status}`);
      const text = await response.text();
      keysOfSet(text); // For its errors.
      fetchedAt = clock();
      return new Response(text);
    } catch (error) {
      failedAt = clock();
      throw error;
    }
  };
  const set = createRemoteJWKSet(url, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    // With a limit, all calls would fail if the keys cannot be fetched when it is reached.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: checkedFetch,
  });
  const find = asAvailable(set);

  let refreshing: Promise<void> | undefined;
  const refresh = (): Promise<void> => {
    refreshing ??= set
      .reload()
      .catch(onError)
      .finally(() => {
        refreshing = undefined;
      });
    return refreshing;
  };

  return async (header, token) => {
    const age = fetchedAt === undefined ? 0 : clock() - fetchedAt;
    const mayFetch = refreshing !== undefined || clock() - failedAt >= COOLDOWN_MS;
    if (age >= REFRESH_MS && mayFetch) {
      const refreshed = refresh();
      if (age >= MAX_AGE_MS) await refreshed;
    }
    return await find(header, token);
  };
}
