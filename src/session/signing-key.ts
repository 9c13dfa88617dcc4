import type { Instant } from "./clock.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import type { EncryptedKey } from "./key-wrapper.ts";
import type { TimeoutPolicy } from "./policy.ts";

/** A signing key without its material. */
export interface SigningKey {
  readonly id: SigningKeyId;
  readonly tenantId: TenantId;
  readonly createdAt: Instant;
  /** Undefined while the key is active. */
  readonly retiredAt: Instant | undefined;
}

/** What decides where the material of a signing key may be used. */
export type KeyFacts = Pick<SigningKey, "id" | "tenantId" | "retiredAt">;

export interface StoredSigningKey extends SigningKey {
  readonly encrypted: EncryptedKey;
}

export interface NewSigningKey {
  readonly id: SigningKeyId;
  readonly tenantId: TenantId;
  readonly encrypted: EncryptedKey;
}

export type SigningKeyState = "ACTIVE" | "RETIRED" | "EXPIRED";

/** From this time on, cookies of this key are denied. Undefined while the key is active. */
export function verifiesUntil(
  key: { readonly retiredAt: Instant | undefined },
  policy: TimeoutPolicy,
): Instant | undefined {
  return key.retiredAt === undefined ? undefined : key.retiredAt + policy.keyRetentionMs;
}

export function signingKeyStateAt(
  key: { readonly retiredAt: Instant | undefined },
  now: Instant,
  policy: TimeoutPolicy,
): SigningKeyState {
  const until = verifiesUntil(key, policy);
  if (until === undefined) return "ACTIVE";
  return now < until ? "RETIRED" : "EXPIRED";
}
