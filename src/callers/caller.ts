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
  /** Whose turn it takes in queues: its name, or else its connection. */
  readonly clientKey: string;
  /** What its limits are counted by: its name, or else its network (IPv6: 64 bits). */
  readonly limitKey: string;
}

/** Who calls where nobody has decided who does: may do as little as a caller can, for no tenant. */
export const nobody: Caller = {
  name: "",
  role: "validator",
  tenants: new Set(),
  clientKey: "",
  limitKey: "",
};

/** Who calls where callers are not authenticated: anybody, with all rights. */
export function anonymousCaller({
  address,
  network,
  connection,
}: {
  readonly address: string;
  readonly network: string;
  readonly connection: number;
}): Caller {
  // Callers on one machine, or behind one proxy, share an address. Limits by connection would be none:
  // a caller could open more of them.
  const clientKey = `${address} ${connection}`;
  return { name: "", role: "admin", tenants: undefined, clientKey, limitKey: network };
}

/** The caller did not prove who it is. The message says why, with nothing that the caller has sent. */
export class CallerRefusedError extends Error {
  override readonly name = "CallerRefusedError";
}

/** The keys that verify JWTs cannot be had, so it is not known who the caller is. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
}
