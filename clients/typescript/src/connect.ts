import { readFileSync } from "node:fs";
import type { SecureClientSessionOptions } from "node:http2";
import { isIP } from "node:net";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionService } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { connectionFailures, retries, token } from "./interceptors.ts";
import { SessionManager } from "./session-manager.ts";
import { tokenOfFile } from "./token-file.ts";

export interface ConnectOptions {
  /** The deadline of a call in milliseconds, retries included; that of a call itself wins. 2000. */
  readonly timeoutMs?: number;
  /** Whether idempotent calls are retried when sessiond is unavailable or overloaded. True. */
  readonly retry?: boolean;
  /** The certificate authorities that are trusted instead of Node's own, as PEM. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  /** The client's certificate chain for mutual TLS, as PEM; needs `key`. */
  readonly cert?: string | Buffer;
  /** The private key of `cert`, as PEM. */
  readonly key?: string | Buffer;
  /** The path of a file with `ca`. This and the next two are read for each new connection. */
  readonly caFile?: string;
  /** The path of a file with `cert`; needs `keyFile`. */
  readonly certFile?: string;
  /** The path of a file with `key`. */
  readonly keyFile?: string;
  /** The name that the server's certificate must have, instead of the address's host. */
  readonly serverName?: string;
  /** When to ping a connection with open calls, and when to give it up. 30 s and 10 s. */
  readonly keepAlive?: { readonly intervalMs?: number; readonly timeoutMs?: number };
  /** A bearer token for each call, or a function that is asked for it before each call. */
  readonly token?: string | (() => string | Promise<string>);
  /**
   * The path of a file with the bearer token, such as a service account token of Kubernetes or a
   * JWT-SVID. Space around it is ignored. It is read at most once a second, when there are calls, so
   * that a new token needs no new connection. A call fails while the file cannot be read or has no
   * token.
   */
  readonly tokenFile?: string;
  /** Whether the token may be sent unencrypted to another host. False. */
  readonly allowTokenOverPlaintext?: boolean;
  /** Further interceptors, outside of the retries. */
  readonly interceptors?: readonly Interceptor[];
}

/** The generated client, ready to use. Its calls reject with a ConnectError: see `sessionError`. */
export interface SessiondClient extends Client<typeof SessionService>, Disposable {
  /** Closes the connection; calls in flight fail. The next call opens a new one. */
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 2000;
/** gRPC sends at most eight digits. */
const MAX_TIMEOUT_MS = 99_999_999;

/**
 * A client of the sessiond at this address. Connects with the first call. An idle connection does not
 * keep the process alive.
 *
 * @param address `http://host[:port]` for plain text or `https://host[:port]` for TLS, without a path
 * @throws TypeError if the address or an option is wrong
 */
export function connect(address: string, options: ConnectOptions = {}): SessiondClient {
  const url = parseAddress(address);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, keepAlive = {}, retry = true } = options;
  positiveInteger("timeoutMs", timeoutMs);
  const { intervalMs = 30_000, timeoutMs: pingTimeoutMs = 10_000 } = keepAlive;
  positiveInteger("keepAlive.intervalMs", intervalMs);
  positiveInteger("keepAlive.timeoutMs", pingTimeoutMs);
  const tokenSource = tokenSourceOf(options);
  if (tokenSource !== undefined && options.allowTokenOverPlaintext !== true) {
    refusePlaintext(url);
  }

  const sessionManager = new SessionManager(
    url.origin,
    { pingIntervalMs: intervalMs, pingTimeoutMs },
    tlsOptions(url, options),
  );
  const interceptors: Interceptor[] = [...(options.interceptors ?? [])];
  if (tokenSource !== undefined) interceptors.push(token(tokenSource));
  if (retry) interceptors.push(retries());
  interceptors.push(connectionFailures);
  const transport = createGrpcTransport({
    baseUrl: url.origin,
    sessionManager,
    interceptors,
    defaultTimeoutMs: timeoutMs,
  });
  const close = () => sessionManager.abort();
  return Object.assign(createClient(SessionService, transport), {
    close,
    [Symbol.dispose]: close,
  });
}

function tokenSourceOf({ token, tokenFile }: ConnectOptions): ConnectOptions["token"] {
  if (tokenFile === undefined) return token;
  if (token !== undefined) throw new TypeError("set either token or tokenFile");
  return tokenOfFile(tokenFile);
}

/** Does not repeat the address in its errors: it can contain a password. */
function parseAddress(address: string): URL {
  const right = "it must be http://host[:port] or https://host[:port]";
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw new TypeError(`the address of sessiond is not a URL: ${right}`);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`the address of sessiond has the scheme ${url.protocol} ${right}`);
  }
  const surplus = [
    ["a user or password", url.username + url.password],
    ["a path", url.pathname === "/" ? "" : url.pathname],
    ["a query", url.search],
    ["a fragment", url.hash],
  ].find(([, text]) => text !== "");
  if (surplus !== undefined) {
    throw new TypeError(`the address of sessiond has ${surplus[0]}: ${right}`);
  }
  return url;
}

function positiveInteger(name: string, value: number): void {
  if (Number.isInteger(value) && value > 0 && value <= MAX_TIMEOUT_MS) return;
  throw new TypeError(`${name} must be an integer from 1 to ${MAX_TIMEOUT_MS}, in milliseconds`);
}

function refusePlaintext({ protocol, hostname }: URL): void {
  if (protocol === "https:" || isLoopback(hostname)) return;
  throw new TypeError(
    "the token would be sent unencrypted: use https://, or set allowTokenOverPlaintext if the " +
      "network encrypts",
  );
}

function isLoopback(hostname: string): boolean {
  if (hostname === "localhost" || hostname === "[::1]") return true;
  return isIP(hostname) === 4 && hostname.startsWith("127.");
}

const TLS_PAIRS = [
  ["ca", "caFile"],
  ["cert", "certFile"],
  ["key", "keyFile"],
] as const;

/** @throws TypeError if the options contradict each other or the address, or a file cannot be read */
function tlsOptions(url: URL, options: ConnectOptions): SecureClientSessionOptions {
  const names = [...TLS_PAIRS.flat(), "serverName"] as const;
  const first = names.find((name) => options[name]);
  if (url.protocol === "http:" && first !== undefined) {
    throw new TypeError(`${first} is for TLS, but the address begins with http://`);
  }
  for (const [text, file] of TLS_PAIRS) {
    if (options[text] !== undefined && options[file] !== undefined) {
      throw new TypeError(`set either ${text} or ${file}`);
    }
  }
  const { ca, cert, certFile, key, keyFile, serverName } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("cert and key must be set together");
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new TypeError("certFile and keyFile must be set together");
  }
  const tls = {
    ...(ca !== undefined && { ca: Array.isArray(ca) ? [...ca] : (ca as string | Buffer) }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { servername: serverName }),
  };
  for (const [text, file] of TLS_PAIRS) {
    const path = options[file];
    if (path !== undefined) readForEachConnection(tls, text, path);
  }
  return tls;
}

/** Makes the option a getter: node:http2 reads its options once for each connection. */
function readForEachConnection(tls: SecureClientSessionOptions, name: string, path: string): void {
  const get = () => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new TypeError(`the file ${path} of ${name}File cannot be read`, { cause });
    }
  };
  get();
  Object.defineProperty(tls, name, { enumerable: true, get });
}
