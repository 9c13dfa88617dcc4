import type { SessionId, TenantId } from "./ids.ts";

/**
 * How the pre-login cookie of a Cookie header ranks beside the session cookie: it is ignored, used
 * where the session cookie is missing or its session is not live, or preferred.
 */
export type PreLoginCookie = "ignored" | "second" | "first";

/** How a request names a session: by what the browser sent, which is verified, or by its id. */
export type SessionRef = (
  | { readonly kind: "cookie"; readonly cookie: string }
  | { readonly kind: "header"; readonly header: string; readonly preLogin: PreLoginCookie }
  | { readonly kind: "id"; readonly id: SessionId }
) & {
  /** If set, a session of another tenant is treated as absent. */
  readonly tenantId: TenantId | undefined;
};
