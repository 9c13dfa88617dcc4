import type { SessionId, TenantId } from "./ids.ts";

/**
 * How the pre-login cookie of a Cookie header is used. `ignored`: never. `second`: if the session
 * cookie is missing or its session is not live. `first`: in preference to the session cookie.
 */
export type PreLoginCookie = "ignored" | "second" | "first";

/** How a request names a session: by a cookie of the browser, which is verified, or by its id. */
export type SessionRef = (
  | { readonly kind: "cookie"; readonly cookie: string }
  | { readonly kind: "header"; readonly header: string; readonly preLogin: PreLoginCookie }
  | { readonly kind: "id"; readonly id: SessionId }
) & {
  /** If set, a session of another tenant is treated as not found. */
  readonly tenantId: TenantId | undefined;
};
