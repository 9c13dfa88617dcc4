import type { Logger } from "pino";
import type { AppTracing } from "./app-tracing.ts";
import type { Config } from "./config/config.ts";
import type { FixedResponse } from "./server/fixed-response.ts";
import type { CallContext } from "./session/call-context.ts";
import type { RandomBytes } from "./session/ids.ts";
import type { KeyEncryption } from "./session/key-encryption.ts";
import { TokenIssuer } from "./session/token-issuer.ts";
import { REFRESH_INTERVAL_MS, TokenKeyRing } from "./session/token-key-ring.ts";
import { rewrapTokenKeys, TokenKeys } from "./session/token-keys.ts";
import type { Storage } from "./storage/storage.ts";
import { joseTokenSigner } from "./tokens/jose-token-signer.ts";

/** Where verifiers expect the public keys. */
export const JWKS_PATH = "/.well-known/jwks.json";
/** How long verifiers may keep the public keys. */
const JWKS_MAX_AGE_SECONDS = 60;

/** The tokens for upstreams, and the keys that sign them. */
export interface Tokens {
  readonly keys: TokenKeys;
  /** Undefined: no tokens are issued. */
  readonly issuer: TokenIssuer | undefined;
  /** The age of the key that signs now. Undefined if there is none, or no tokens are issued. */
  readonly keyAgeMs: () => number | undefined;
  /** What is served without authentication, by path: the public keys, if tokens are issued. */
  readonly documents: ReadonlyMap<string, () => FixedResponse | Promise<FixedResponse>>;
}

/** What is told of tokens and their keys. */
export interface TokenObservers {
  /** Gives a span to each read of the keys; those of the start are within its span. */
  readonly tracing: Pick<AppTracing, "starting" | "inSpan">;
  /** Called for each token that is handed out, with whether it was handed out before. */
  readonly onIssued?: ((cached: boolean) => void) | undefined;
}

export interface TokenKeyParts {
  readonly config: Config;
  readonly random: RandomBytes;
  readonly storage: Storage;
  readonly encryption: KeyEncryption;
}

/** Creates, rotates and lists token keys, without using them. */
export function manageTokenKeys(
  { config, random, storage, encryption }: TokenKeyParts,
  onRotated?: (context: CallContext) => Promise<void>,
): TokenKeys {
  return new TokenKeys({
    store: storage.tokenKeys,
    encryption,
    signer: joseTokenSigner,
    random,
    policy: config.tokens?.keys,
    tenants: config.tenants,
    onRotated,
  });
}

/**
 * Puts all token keys under the current key-encryption key, and makes the first one if tokens are issued.
 * It logs what it has changed. Keys that cannot be decrypted are left alone.
 */
export async function prepareTokenKeys(
  parts: TokenKeyParts,
  log: Logger,
  context: CallContext,
): Promise<void> {
  const { storage, encryption } = parts;
  const { rewrapped } = await rewrapTokenKeys(storage.tokenKeys, encryption, context);
  if (rewrapped > 0) log.info({ rewrapped }, "token keys put under the first key-encryption key");
  if (await manageTokenKeys(parts).ensureFirst(context)) log.info("first token key made");
}

/**
 * Reads the token keys, if tokens are issued, and keeps them up to date.
 *
 * @param stack ends that
 */
export async function openTokens(
  parts: TokenKeyParts,
  log: Logger,
  context: CallContext,
  stack: AsyncDisposableStack,
  { tracing, onIssued }: TokenObservers,
): Promise<Tokens> {
  const { config, storage, encryption } = parts;
  const policy = config.tokens;
  if (policy === undefined) {
    const keys = manageTokenKeys(parts);
    return { keys, issuer: undefined, keyAgeMs: () => undefined, documents: new Map() };
  }
  const ring = new TokenKeyRing({
    store: storage.tokenKeys,
    encryption,
    signer: joseTokenSigner,
    clock: () => performance.now(),
    onUnusable: ({ id }, err) =>
      log.warn(
        { id, err },
        "a token key cannot be used, and is not published by this process; if it stays so, " +
          "RotateTokenKey with `immediately` replaces it",
      ),
    runRead: (read) => tracing.inSpan("sessiond.read_token_keys", read),
    waitAtMost,
  });
  // Only this: what is set up in the span of the start, such as the timer, would stay in it.
  await tracing.starting(() => ring.refresh(context));

  const stopping = new AbortController();
  const { signal } = stopping;
  // What fails is an outage: tokens fail with it when the keys are older than a minute.
  const refresh = (): Promise<void> =>
    ring.refresh({ signal, callingService: "sessiond" }).catch((err: unknown) => {
      log.debug({ err }, "the token keys cannot be read again");
    });
  const timer = setInterval(() => void refresh(), REFRESH_INTERVAL_MS).unref();
  stack.defer(() => {
    clearInterval(timer);
    stopping.abort();
  });
  return {
    keys: manageTokenKeys(parts, refresh),
    issuer: new TokenIssuer({ ring, policy, onIssued }),
    keyAgeMs: () => ring.signingKeyAgeMs(),
    documents: new Map([[JWKS_PATH, () => jwksResponse(ring)]]),
  };
}

async function waitAtMost(ms: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, late]);
  clearTimeout(timer);
}

async function jwksResponse(ring: TokenKeyRing): Promise<FixedResponse> {
  try {
    const set = await ring.publicKeys({ signal: undefined, callingService: "" });
    return {
      status: 200,
      headers: {
        "content-type": "application/jwk-set+json",
        "cache-control": `public, max-age=${JWKS_MAX_AGE_SECONDS}`,
        "x-content-type-options": "nosniff",
      },
      body: Buffer.from(JSON.stringify(set)),
    };
  } catch {
    return {
      status: 503,
      headers: {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "retry-after": "1",
      },
      body: Buffer.from("the token keys cannot be read now\n"),
    };
  }
}
