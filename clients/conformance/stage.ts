import { randomBytes } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import { type NetworkProxy, startNetworkProxy } from "./network-proxy.ts";
import { type ScriptedServer, startScriptedServer } from "./scripted-server.ts";
import type { SessiondServers } from "./sessiond-servers.ts";

/** The variables that every scenario has. */
export const BUILT_IN_VARIABLES = [
  /** Differs in each run of a scenario: for the names of actors and tenants. */
  "unique",
  /** URLs: of sessiond, of the one with TLS, and of the one whose database can be taken away. */
  "sessiond",
  "tls",
  "replica",
  /** The URL of the one that authenticates its callers, and tokens of callers by their roles. */
  "callers",
  "validatorToken",
  "issuerToken",
  "adminToken",
  /** Of an issuer that is limited to the tenant `green`. */
  "greenToken",
  /** The URL of the scenario's proxy, and the same with https. */
  "proxy",
  "proxyTls",
  /** The URL of the scenario's scripted server. */
  "scripted",
  /** A URL where nothing listens. */
  "closed",
  /** The path of the certificate authority's PEM file. */
  "ca",
  /** Text that is too long for most things: so many characters. */
  "text4095",
  "text5000",
  "text70000",
] as const;

/** What one run of a scenario has for itself, and what it has disturbed. */
export interface Stage {
  readonly servers: SessiondServers;
  readonly proxy: NetworkProxy;
  readonly scripted: ScriptedServer;
  readonly variables: Map<string, JsonValue>;
  /** Puts everything that others use, too, back to how it was. */
  restore(): Promise<void>;
  /** What the scenario has to undo when it ends, in reverse order. */
  readonly cleanup: AsyncDisposableStack;
}

/**
 * @param values more variables
 * @param proxy an application's own; without one, the scenario gets a new one
 */
export async function createStage(
  servers: SessiondServers,
  values: Readonly<Record<string, JsonValue>>,
  proxy?: NetworkProxy,
): Promise<Stage> {
  const cleanup = new AsyncDisposableStack();
  const own = proxy ?? (await startNetworkProxy(servers.sessiond));
  if (proxy === undefined) cleanup.defer(() => own.close());
  const scripted = await startScriptedServer(() => own.cut());
  cleanup.defer(() => scripted.close());
  const builtIn: Record<(typeof BUILT_IN_VARIABLES)[number], string> = {
    unique: randomBytes(6).toString("hex"),
    sessiond: servers.sessiond,
    tls: servers.tls,
    replica: servers.replica,
    callers: servers.callers.url,
    ...servers.callers.tokens,
    proxy: own.url,
    proxyTls: own.tlsUrl,
    scripted: scripted.url,
    // The discard port: no service of ours, and privileged, so that no other process gets it by chance.
    closed: "http://127.0.0.1:9",
    ca: servers.ca,
    text4095: "x".repeat(4095),
    text5000: "x".repeat(5000),
    text70000: "x".repeat(70_000),
  };
  return {
    servers,
    proxy: own,
    scripted,
    variables: new Map(Object.entries({ ...values, ...builtIn })),
    cleanup,
    restore: () => cleanup.disposeAsync(),
  };
}
