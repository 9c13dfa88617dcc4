/** From the least to the most; each includes those before it. */
export const roles = ["validator", "issuer", "admin"] as const;

export type Role = (typeof roles)[number];

/** A service that calls sessiond. */
export interface Caller {
  /** The name of its line in the callers file; empty where callers are not authenticated. */
  readonly name: string;
  readonly role: Role;
  /** The tenants that it may act on. Undefined: all of them. */
  readonly tenants: ReadonlySet<string> | undefined;
  /** What its share of limits is counted by: its name, or else the address of its connection. */
  readonly clientKey: string;
}

/** Who calls where callers are not authenticated: anybody, with all rights. */
export function anonymousCaller(address: string): Caller {
  return { name: "", role: "admin", tenants: undefined, clientKey: address };
}

/** The caller did not prove who it is. The message says why, with nothing that the caller has sent. */
export class CallerRefusedError extends Error {
  override readonly name = "CallerRefusedError";
}

/** The keys that verify JWTs cannot be had, so it is not known who the caller is. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
}
