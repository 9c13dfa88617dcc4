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
  /** Logs somebody in. Never the session of the well-behaved client. */
  open(): Promise<OpenedSession>;
}

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

export interface Attack {
  readonly name: string;
  /** What must hold, as a sentence. */
  readonly shows: string;
  /**
   * Which calls of the well-behaved client must succeed meanwhile. "health": the attack stops the
   * database, so that only calls without it can succeed.
   */
  readonly mustSucceed?: "health";
  /** Only part of the full run: it takes minutes, or finds what a shorter form of it finds. */
  readonly fullOnly?: true;
  run(target: Target, scale: Scale): Promise<Finding>;
}
