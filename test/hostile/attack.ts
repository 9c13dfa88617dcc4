import type { OpenedSession } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import type { TestDatabase } from "../support/database.ts";

/** The address that attacks come from. The well-behaved client has another one. */
export const ATTACKER_ADDRESS = "127.0.0.2";

/** The sessiond under attack. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Its process. */
  readonly pid: number;
  readonly database: TestDatabase;
  /** Over gRPC, on a connection that no attack uses. */
  readonly client: SessionClient;
  /** The token of a caller that attacks. Empty where callers are not authenticated. */
  readonly attackerToken: string;
  /** Logs somebody in. Never the session of the well-behaved client. */
  open(): Promise<OpenedSession>;
}

/**
 * Which sessiond is attacked.
 * - plain: HTTP on loopback, callers are not authenticated
 * - secured: TLS, and every caller needs a token
 */
export type TargetKind = "plain" | "secured";

/** How much an attack does. */
export interface Scale {
  readonly full: boolean;
  /** How long a flood lasts, in milliseconds. */
  readonly floodMs: number;
}

export interface Finding {
  /** What happened, with figures. */
  readonly summary: string;
  /** What did not hold. Empty: everything held. */
  readonly failures: readonly string[];
  /** How many bad inputs were tried, and how many were answered as an internal error. */
  readonly inputs?: { readonly tried: number; readonly internal: number };
}

/** What an attack has open, such as connections. It stays so until memory has been measured. */
export interface Held {
  /** @param close called after the attack */
  defer(close: () => void): void;
  /** Measures the server's memory now. It is also measured at the end of the attack. */
  measure(): Promise<void>;
}

export interface Attack {
  readonly name: string;
  /** What must hold, as a sentence. */
  readonly shows: string;
  /** "plain" by default. */
  readonly target?: TargetKind;
  /**
   * How much memory the server may use for what the attack holds open, in MiB. A default applies
   * without it.
   */
  readonly maxHeldMib?: number;
  /** Only part of the full run: it takes minutes, or finds what a shorter form of it finds. */
  readonly fullOnly?: true;
  run(target: Target, scale: Scale, held: Held): Promise<Finding>;
}
