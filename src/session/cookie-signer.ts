import type { CallContext } from "./call-context.ts";
import { SessionError } from "./errors.ts";
import type { SigningKeyId, TenantId } from "./ids.ts";
import type { ActiveKey, KeyRing } from "./key-ring.ts";
import type { MacKey } from "./mac-key.ts";
import type { KeyNotActive } from "./session-store.ts";
import type { SigningKeys } from "./signing-keys.ts";

export interface CookieSignerDependencies {
  readonly keyRing: KeyRing;
  readonly signingKeys: SigningKeys;
}

/** Has the keys that sign the cookies of new sessions. */
export class CookieSigner {
  readonly #keyRing: KeyRing;
  readonly #signingKeys: SigningKeys;

  constructor({ keyRing, signingKeys }: CookieSignerDependencies) {
    this.#keyRing = keyRing;
    this.#signingKeys = signingKeys;
  }

  /**
   * Stores a session under the tenant's active signing key, of which this process has the material
   * already. So no failure to decrypt it can come after the session was stored, and perhaps another one
   * ended. A tenant without a key gets its first one.
   *
   * @param store stores the session under this key, or nothing if the key is not active any more. Then
   * it is called again with another key.
   * @throws {UnreadableKeyError} STORAGE_UNAVAILABLE if the active key cannot be decrypted
   * @throws {SessionError} STORAGE_UNAVAILABLE if the database or a key management service does not
   * answer; INITIAL_SIGNING_KEY_MINT_FAILED
   */
  async storeSigned<Outcome extends { readonly kind: string }>(
    tenantId: TenantId,
    store: (signingKeyId: SigningKeyId) => Promise<Outcome | KeyNotActive>,
    context: CallContext,
  ): Promise<{ readonly outcome: Outcome; readonly key: MacKey }> {
    let active = this.#keyRing.active(tenantId) ?? (await this.#read(tenantId, context));
    for (;;) {
      const outcome = await store(active.id);
      if (!isKeyNotActive(outcome)) return { outcome, key: active.key };
      // Another replica has rotated it.
      active = await this.#read(tenantId, context);
    }
  }

  async #read(tenantId: TenantId, context: CallContext): Promise<ActiveKey> {
    const active = await this.#keyRing.readActive(tenantId, context);
    if (active !== undefined) return active;
    await this.#signingKeys.ensureFirst(tenantId, context);
    const first =
      this.#keyRing.active(tenantId) ?? (await this.#keyRing.readActive(tenantId, context));
    if (first === undefined) throw new SessionError("INITIAL_SIGNING_KEY_MINT_FAILED");
    return first;
  }
}

function isKeyNotActive(outcome: { readonly kind: string }): outcome is KeyNotActive {
  return outcome.kind === "key_not_active";
}
