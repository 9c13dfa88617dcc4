import type { SessionId, TenantId } from "./ids.ts";

/**
 * What the pre-login cookie of a Cookie header counts: nothing, or as much as the session cookie
 * where that is missing or its session is not live, or more than that.
 */
export type PreLoginCookie = "ignored" | "second" | "first";

/** How a request names a session: by what the browser sent, which is verified, or by its id. */
export type SessionRef = (
  | { readonly kind: "cookie"; readonly cookie: string }
  | { readonly kind: "header"; readonly header: string; readonly preLogin: PreLoginCookie }
  | { readonly kind: "id"; readonly id: SessionId }
) & {
  /** If set, sessions of other tenants are as good as absent. */
  readonly tenantId: TenantId | undefined;
};
