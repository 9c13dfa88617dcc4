import { X509Certificate } from "node:crypto";
import { hostname, userInfo } from "node:os";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  type ConnectOptions,
  connect,
  type SessiondClient,
} from "../../clients/typescript/src/connect.ts";
import { type CliConfig, loadCliConfig } from "../config/cli-config.ts";
import { ConfigError } from "../config/config.ts";
import type { Environment } from "../config/env-reader.ts";
import { localUrl } from "../local-url.ts";
import { wrongUse } from "./exit-codes.ts";

/** The options that say which service is called, and as whom. */
export interface ConnectionOptions {
  readonly address?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly timeout?: string;
  readonly as?: string;
}

export interface Connection {
  readonly address: string;
  readonly client: SessiondClient;
  /** For the services besides sessiond's own, such as health: without credentials. */
  readonly transport: () => Transport;
  /** Who makes changes, for the audit. */
  readonly actingActorId: string;
}

/** Each option stands for a setting, which it replaces. */
const SETTING_OF_OPTION = {
  address: ["--address", "SESSIOND_CLI_ADDRESS"],
  tokenFile: ["--token-file", "SESSIOND_CLI_TOKEN_FILE"],
  ca: ["--ca", "SESSIOND_CLI_CA_FILE"],
  cert: ["--cert", "SESSIOND_CLI_CERT_FILE"],
  key: ["--key", "SESSIOND_CLI_KEY_FILE"],
  serverName: ["--server-name", "SESSIOND_CLI_SERVER_NAME"],
  timeout: ["--timeout", "SESSIOND_CLI_TIMEOUT"],
  as: ["--as", "SESSIOND_CLI_ACTOR"],
} as const satisfies Record<keyof ConnectionOptions, readonly [string, string]>;

/** Connects with the first call. @throws {CommandError} if an option or a setting is wrong */
export function openConnection(env: Environment, options: ConnectionOptions): Connection {
  const config = readConfig(env, options);
  const address = config.address ?? addressOf(config.listener);
  try {
    const options = connectOptions(address, config);
    return {
      address,
      client: connect(address, options),
      transport: () => plainTransport(address, options),
      actingActorId: config.actor ?? `cli:${userName()}@${hostname()}`.slice(0, 256),
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // What remains to be wrong are TLS without an https:// address, and a token without TLS.
    const advice = error.message.replace(/, or set allowTokenOverPlaintext.*/, "");
    throw wrongUse(`${advice} (see --address and SESSIOND_CLI_ADDRESS)`);
  }
}

function readConfig(env: Environment, options: ConnectionOptions): CliConfig {
  const merged: Record<string, string | undefined> = { ...env };
  const renamed: (readonly [setting: string, option: string])[] = [];
  for (const [name, [option, setting]] of Object.entries(SETTING_OF_OPTION)) {
    const value = options[name as keyof ConnectionOptions];
    if (value === undefined) continue;
    delete merged[setting.replace(/_FILE$/, "")];
    merged[setting] = value;
    if (value === "") throw wrongUse(`${option} is empty: give it a value, or leave it out`);
    renamed.push([setting, option]);
  }
  try {
    return loadCliConfig(merged);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const named = (problem: string) =>
      renamed.reduce((text, [setting, option]) => text.replaceAll(setting, option), problem);
    throw wrongUse(error.problems.map(named).join("; "));
  }
}

function addressOf({ host, port, certificate }: CliConfig["listener"]): string {
  if (port === 0) {
    throw wrongUse(
      "SESSIOND_PORT (0) does not tell which port the service has: --address or " +
        "SESSIOND_CLI_ADDRESS must name it",
    );
  }
  return localUrl(host, port, certificate !== undefined);
}

function connectOptions(address: string, config: CliConfig): ConnectOptions {
  const { ca, cert, key, token, tokenFile, timeoutMs, serverName } = config;
  const isTls = address.startsWith("https:");
  // The own service's certificate names the host that others use.
  const ownName =
    config.address === undefined ? firstDnsName(config.listener.certificate) : undefined;
  const name = serverName ?? ownName;
  return {
    timeoutMs,
    ...(tokenFile !== undefined ? { tokenFile } : token !== undefined && { token }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(isTls && name !== undefined && { serverName: name }),
  };
}

function plainTransport(address: string, options: ConnectOptions): Transport {
  const { timeoutMs, ca, cert, key, serverName } = options;
  return createGrpcTransport({
    baseUrl: address,
    ...(timeoutMs !== undefined && { defaultTimeoutMs: timeoutMs }),
    nodeOptions: {
      ...(typeof ca === "string" && { ca }),
      ...(cert !== undefined && key !== undefined && { cert, key }),
      ...(serverName !== undefined && { servername: serverName }),
    },
  });
}

/** A wildcard stands for any name. */
function firstDnsName(pem: string | undefined): string | undefined {
  if (pem === undefined) return undefined;
  const [, name] = /DNS:([^,\s]+)/.exec(new X509Certificate(pem).subjectAltName ?? "") ?? [];
  return name?.replace(/^\*/, "sessiond");
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return String(process.getuid?.() ?? "unknown");
  }
}
