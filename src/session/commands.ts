/** The requests, before their values are checked. */

import type { AuthenticationInput } from "./authentication.ts";
import type { RequestedTime } from "./requested-time.ts";
import type { SessionAttributes } from "./session-attributes.ts";
import type { RequestedDuration, RequestedTimeouts } from "./timeouts.ts";

export interface ActorInput {
  readonly tenantId: string;
  readonly actorType: string;
  readonly actorId: string;
}

export type SessionRefInput = (
  | { readonly kind: "cookie"; readonly cookie: string }
  | { readonly kind: "header"; readonly header: string }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "unset" }
) & { readonly tenantId: string | undefined };

export interface CreateCommand {
  readonly actor: ActorInput | undefined;
  readonly attributes: SessionAttributes;
  readonly authentication: AuthenticationInput;
  readonly timeouts: RequestedTimeouts;
  readonly preLogin: boolean;
  readonly replaces: SessionRefInput | undefined;
}

export interface ValidateCommand {
  readonly credential:
    | { readonly kind: "cookie"; readonly cookie: string }
    | { readonly kind: "header"; readonly header: string }
    | { readonly kind: "unset" };
  /** Undefined: not checked, unless the HTTP method requires it. */
  readonly csrfToken: string | undefined;
  /** Of the browser's request. Undefined: not known. */
  readonly httpMethod: string | undefined;
  readonly touch: boolean;
  readonly acceptPreLogin: boolean;
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly tenantId: string | undefined;
  /** 0: any. */
  readonly minAuthLevel: number;
  /** Undefined: any. */
  readonly maxAuthAge: RequestedDuration | undefined;
  /** Empty: any. */
  readonly actorType: string;
  /** Empty: no token is asked for. */
  readonly tokenAudience: string;
}

export interface ValidateCsrfCommand {
  readonly session: SessionRefInput | undefined;
  readonly csrfToken: string;
  readonly acceptPreLogin: boolean;
}

export interface RevokeCommand {
  readonly session: SessionRefInput | undefined;
  readonly reason: string;
  readonly actingActorId: string;
}

export interface RevokeAllForActorCommand {
  readonly actor: ActorInput | undefined;
  readonly keep: SessionRefInput | undefined;
  readonly reason: string;
  readonly actingActorId: string;
}

export interface RotateCsrfCommand {
  readonly target:
    | { readonly kind: "session"; readonly session: SessionRefInput }
    | { readonly kind: "actor"; readonly actor: ActorInput }
    | { readonly kind: "unset" };
  readonly actingActorId: string;
}

export interface RotateSessionCommand {
  readonly session: SessionRefInput | undefined;
  /** Undefined: none. */
  readonly grace: RequestedDuration | undefined;
  /** Undefined: unchanged. */
  readonly authLevel: number | undefined;
  /** Empty: unchanged. */
  readonly authMethods: readonly string[];
  /** Undefined: unchanged. */
  readonly authenticatedAt: RequestedTime | undefined;
  readonly actingActorId: string;
}

export interface UpdateMetadataCommand {
  readonly session: SessionRefInput | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Empty: any. */
  readonly metadataEtag: string;
  readonly actingActorId: string;
}

export interface ListCommand {
  readonly actor: ActorInput | undefined;
  readonly includeEnded: boolean;
  readonly current: SessionRefInput | undefined;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface SessionFilterInput {
  readonly tenantId: string | undefined;
  readonly actorType: string;
  readonly appType: string;
  readonly ipAddress: string;
  readonly userAgentContains: string;
  readonly createdSince: RequestedTime | undefined;
  readonly createdBefore: RequestedTime | undefined;
  readonly seenSince: RequestedTime | undefined;
  readonly seenBefore: RequestedTime | undefined;
}

export interface ListSessionsCommand {
  readonly filter: SessionFilterInput | undefined;
  readonly includeEnded: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface RevokeSessionsCommand {
  readonly filter: SessionFilterInput | undefined;
  /** Whether a filter without restriction is meant. */
  readonly everything: boolean;
  readonly reason: string;
  readonly actingActorId: string;
  readonly dryRun: boolean;
  readonly pageToken: string;
}

export interface RotateSigningKeyCommand {
  readonly tenantId: string;
  readonly actingActorId: string;
}

export interface RotateTokenKeyCommand {
  readonly actingActorId: string;
  readonly immediately: boolean;
}

export interface ListTokenKeysCommand {
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface ListSigningKeysCommand {
  readonly tenantId: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface ListAuditEventsCommand {
  readonly tenantId: string;
  readonly allTenants: boolean;
  readonly resourceId: string;
  readonly actingActorId: string;
  readonly action: string;
  /** Undefined: any, as the next one. */
  readonly occurredSince: RequestedTime | undefined;
  readonly occurredBefore: RequestedTime | undefined;
  /** 0: all. */
  readonly afterId: bigint;
  readonly oldestFirst: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
}
