import { hash, type X509Certificate } from "node:crypto";
import { type FileWatch, watchFiles } from "../files/watch-file.ts";
import { anonymousCaller, type Caller, CallerRefusedError } from "./caller.ts";
import { CallerCache } from "./caller-cache.ts";
import { type CallerDirectory, parseCallersFile } from "./callers-file.ts";
import { namesOf } from "./certificate-names.ts";
import { type JwtKeys, type JwtRules, keysOfSet, keysOfUrl, verifyJwt } from "./jwt-verifier.ts";

export interface CallersConfig {
  /** The path of the callers file. */
  readonly file: string;
  /** Whether TLS asks clients for certificates. */
  readonly certificates: boolean;
  readonly jwt: (JwtRules & { readonly jwks: URL | string }) | undefined;
}

/** What a call presents. */
export interface Presented {
  /** The headers of the call: names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  /** The connection; the same object for all calls on it. */
  readonly peer: Peer;
}

interface Peer {
  readonly address: string;
  readonly network: string;
  readonly connection: number;
  /** The client's certificate, verified by TLS. */
  readonly certificate: X509Certificate | undefined;
}

/** Tells who calls. */
export interface CallerAuthentication extends AsyncDisposable {
  /**
   * The caller; at once if it is known already or has a token of the file, else a promise.
   *
   * A token decides, whether there is a certificate or not: who presents a token means it, and an
   * invalid one is not made good by a certificate.
   *
   * @throws {CallerRefusedError} also as a rejection: it did not prove who it is
   * @throws {KeysUnavailableError} as a rejection: that cannot be told now
   */
  identify(call: Presented): Caller | Promise<Caller>;
  /** Looks now whether the files have changed. */
  check(): Promise<void>;
}

/** Tells what happens to the files and keys after the start. */
export interface CallersEvents {
  /** A changed file is in force. */
  onChange(file: "callers" | "keys", callers: number): void;
  /** A changed file cannot be used, or keys cannot be refreshed: what was in force stays. */
  onError(file: "callers" | "keys", error: unknown): void;
}

export interface AuthenticationOptions {
  /** Undefined: everybody may call, anonymously. */
  readonly config: CallersConfig | undefined;
  readonly events: CallersEvents;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds of a clock that never goes back, for the age of keys. `performance.now` by default. */
  readonly clock?: () => number;
  /** How often the files are looked at; see `watchFiles`. */
  readonly watch?: { readonly intervalMs?: number; readonly settleMs?: number };
}

/**
 * For how many values of the header the caller is remembered. In Kubernetes, each pod has a JWT of its own.
 * One takes about 1.5 KB.
 */
const MAX_REMEMBERED = 10_000;
/**
 * How long a JWT is accepted without verifying it again. It limits how long a key that the issuer has
 * withdrawn is still trusted.
 */
const JWT_MEMORY_MS = 60_000;

const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

interface Known {
  readonly caller: Caller;
  readonly expiresAt: number;
}

/**
 * Reads the files and watches them.
 *
 * @throws {Error} if a file cannot be read or used
 */
export async function createCallerAuthentication(
  options: AuthenticationOptions,
): Promise<CallerAuthentication> {
  const { config } = options;
  if (config === undefined) return new AnonymousCallers();
  const authentication = new FileCallers(options, config);
  try {
    await authentication.start();
  } catch (error) {
    await authentication[Symbol.asyncDispose]();
    throw error;
  }
  return authentication;
}

class AnonymousCallers implements CallerAuthentication {
  readonly #byPeer = new WeakMap<Peer, Caller>();

  identify({ peer }: Presented): Caller {
    const known = this.#byPeer.get(peer);
    if (known !== undefined) return known;
    const caller = anonymousCaller(peer);
    this.#byPeer.set(peer, caller);
    return caller;
  }

  async check(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

class FileCallers implements CallerAuthentication {
  readonly #config: CallersConfig;
  readonly #options: AuthenticationOptions;
  readonly #now: () => number;
  readonly #watches: FileWatch[] = [];
  #directory: CallerDirectory = parseCallersFile("", { jwts: false, certificates: false });
  #keys: JwtKeys | undefined;
  readonly #byHeader = new CallerCache(MAX_REMEMBERED);
  /** The JWTs that are being verified, by the header, with the files in force. */
  #verifications = new Map<string, Promise<Caller>>();
  #byPeer = new WeakMap<Peer, Known>();
  /** Counts the changes of the files. */
  #version = 0;

  constructor(options: AuthenticationOptions, config: CallersConfig) {
    this.#options = options;
    this.#config = config;
    this.#now = options.now ?? Date.now;
  }

  async start(): Promise<void> {
    const { jwt, file, certificates } = this.#config;
    await this.#watch("callers", file, (text) => {
      this.#directory = parseCallersFile(text, { jwts: jwt !== undefined, certificates });
    });
    if (typeof jwt?.jwks === "string") {
      await this.#watch("keys", jwt.jwks, (text) => {
        this.#keys = keysOfSet(text);
      });
    } else if (jwt !== undefined) {
      const onError = (error: unknown) => this.#options.events.onError("keys", error);
      this.#keys = keysOfUrl(jwt.jwks as URL, onError, { clock: this.#options.clock });
    }
  }

  async #watch(name: "callers" | "keys", path: string, use: (text: string) => void): Promise<void> {
    const { events, watch } = this.#options;
    const onChange = ({ text }: { readonly text: string }) => {
      try {
        use(text);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`the file ${JSON.stringify(path)} cannot be used: ${reason}`);
      }
      this.#forget();
      events.onChange(name, this.#directory.liveCount(this.#now()));
    };
    const onError = (error: Error) => events.onError(name, error);
    this.#watches.push(await watchFiles({ text: path }, onChange, { ...watch, onError }));
  }

  #forget(): void {
    this.#version += 1;
    this.#byHeader.clear();
    this.#verifications = new Map();
    this.#byPeer = new WeakMap();
  }

  identify({ rawHeaders, peer }: Presented): Caller | Promise<Caller> {
    const authorization = authorizationIn(rawHeaders);
    if (authorization === undefined) return this.#byCertificate(peer);
    return this.#byHeader.get(authorization, this.#now()) ?? this.#byToken(authorization);
  }

  #byCertificate(peer: Peer): Caller {
    const now = this.#now();
    const known = this.#byPeer.get(peer);
    if (known !== undefined && now < known.expiresAt) return known.caller;
    const { certificate } = peer;
    if (certificate === undefined) throw new CallerRefusedError("no token and no certificate");
    const expiresAt = certificate.validToDate.getTime();
    if (now >= expiresAt) throw new CallerRefusedError("the certificate has expired");
    const line = this.#directory.byCertificate(namesOf(certificate), now);
    if (line === undefined)
      throw new CallerRefusedError("no line of the callers file matches the certificate");
    this.#byPeer.set(peer, {
      caller: line.caller,
      expiresAt: Math.min(line.expiresAt, expiresAt),
    });
    return line.caller;
  }

  #byToken(authorization: string): Caller | Promise<Caller> {
    const [, token] = BEARER.exec(authorization) ?? [];
    if (token === undefined) throw new CallerRefusedError("the header is no bearer token");
    // The time of this look-up depends on the hash alone, and who knows the hash has no token.
    const line = this.#directory.byToken(hash("sha256", token));
    if (line !== undefined) {
      if (this.#now() >= line.expiresAt) throw new CallerRefusedError("the token has expired");
      this.#byHeader.set(authorization, line.caller, line.expiresAt);
      return line.caller;
    }
    if (this.#keys !== undefined && JWT.test(token)) return this.#byJwt(authorization, token);
    throw new CallerRefusedError("no line of the callers file has the token");
  }

  /** Calls with the same JWT share its verification. */
  #byJwt(authorization: string, token: string): Promise<Caller> {
    const verifications = this.#verifications;
    const running = verifications.get(authorization);
    if (running !== undefined) return running;
    const verification = this.#verify(authorization, token).finally(() => {
      verifications.delete(authorization);
    });
    verifications.set(authorization, verification);
    return verification;
  }

  async #verify(authorization: string, token: string): Promise<Caller> {
    const version = this.#version;
    const now = this.#now();
    const rules = this.#config.jwt as JwtRules;
    const jwt = await verifyJwt(token, this.#keys as JwtKeys, rules, now);
    const line = this.#directory.bySubject(jwt.subject, this.#now());
    if (line === undefined)
      throw new CallerRefusedError("no line of the callers file matches the JWT's subject");
    // With a file that has changed meanwhile, the next call verifies it again.
    if (version !== this.#version) return line.caller;
    const expiresAt = Math.min(line.expiresAt, jwt.expiresAt, now + JWT_MEMORY_MS);
    this.#byHeader.set(authorization, line.caller, expiresAt);
    return line.caller;
  }

  async check(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.check()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch[Symbol.asyncDispose]()));
  }
}

const HEADER = "authorization";

/**
 * The value of the Authorization header; undefined without one.
 *
 * @throws {CallerRefusedError} if there are several: what is between might have looked at another one
 */
function authorizationIn(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length !== HEADER.length || name.toLowerCase() !== HEADER) continue;
    if (found !== undefined) throw new CallerRefusedError("several Authorization headers");
    found = rawHeaders[index + 1];
  }
  return found;
}
