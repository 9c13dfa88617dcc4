import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";

type Signal = AbortSignal | undefined;

export interface VaultClientOptions {
  /** `https://host:port`, or `http://` for a loopback address. */
  readonly address: string;
  /** Undefined: the root namespace. */
  readonly namespace: string | undefined;
  /** Holds the token and, if anything, white space around it. Read for each request. */
  readonly tokenFile: string;
  /** In PEM form. Undefined: Node's certificate authorities. */
  readonly ca: string | undefined;
  /** For a request, the wait for a free connection included. */
  readonly timeoutMs: number;
}

/** Requests beyond this number wait for one of these connections. */
const MAX_CONNECTIONS = 16;
const MAX_RESPONSE_BYTES = 1024 * 1024;
const MAX_ERROR_LENGTH = 300;

/** Of a server that is not there yet, or of the way to it. */
const TRANSIENT_CODES: readonly unknown[] = [
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT"],
  ...["EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENOTFOUND", "EAI_AGAIN"],
];

/** A standby that redirects, one that is behind the active node, and a quota. From 470 on: its state. */
const TRANSIENT_STATUSES: readonly number[] = [307, 412, 429];

/** A request to Vault has failed. The message has the address and Vault's errors, but no token. */
export class VaultError extends Error {
  override readonly name = "VaultError";
  /** The HTTP status. Undefined if there was no answer. */
  readonly status: number | undefined;
  /** Whether the same request may succeed later without a change of the configuration. */
  readonly isTransient: boolean;

  constructor(
    message: string,
    options: { status?: number; isTransient: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.isTransient = options.isTransient;
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Sends requests to the HTTP API of HashiCorp Vault or OpenBao. */
export class VaultClient {
  readonly #options: VaultClientOptions;
  readonly #isTls: boolean;
  readonly #agent: http.Agent;

  constructor(options: VaultClientOptions) {
    this.#options = options;
    this.#isTls = new URL(options.address).protocol === "https:";
    const limits = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.#agent = this.#isTls
      ? new https.Agent({ ...limits, ...(options.ca && { ca: options.ca }) })
      : new http.Agent(limits);
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * Returns the `data` of the answer.
   *
   * @param path below `/v1/`
   * @throws {VaultError}
   */
  async post(
    path: string,
    body: Readonly<Record<string, string>>,
    signal: Signal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const text = JSON.stringify(body);
    const token = await this.#readToken();
    let answer = await this.#send(path, text, token, signal);
    if (answer.status === 403) {
      // The token may have been replaced and revoked after it was read.
      const renewed = await this.#readToken();
      if (renewed !== token) answer = await this.#send(path, text, renewed, signal);
    }
    return this.#dataOf(answer);
  }

  async #readToken(): Promise<string> {
    const { tokenFile } = this.#options;
    let content: string;
    try {
      content = await readFile(tokenFile, "utf8");
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? "unreadable";
      throw new VaultError(`the token file ${tokenFile} of Vault cannot be read (${code})`, {
        isTransient: code === "ENOENT",
      });
    }
    const token = content.trim();
    // An agent may be writing it at the moment.
    if (token === "") {
      throw new VaultError(`the token file ${tokenFile} of Vault is empty`, { isTransient: true });
    }
    if (!/^[\x21-\x7e]+$/.test(token)) {
      const message = `the token file ${tokenFile} of Vault holds something else than one token`;
      throw new VaultError(message, { isTransient: false });
    }
    return token;
  }

  async #send(path: string, body: string, token: string, signal: Signal): Promise<Answer> {
    signal?.throwIfAborted();
    const { address, namespace, timeoutMs } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    const options: https.RequestOptions = {
      method: "POST",
      agent: this.#agent,
      ca: this.#options.ca,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "x-vault-token": token,
        // Vault Agent can be set to require it, against forged requests.
        "x-vault-request": "true",
        ...(namespace !== undefined && { "x-vault-namespace": namespace }),
      },
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    };
    const { request } = this.#isTls ? https : http;
    // Without an agent, a request has a connection of its own.
    const attempt = (isRepeat = false) =>
      new Promise<Answer>((resolve, reject) => {
        const own = isRepeat ? { ...options, agent: false } : options;
        const sent = request(new URL(`/v1/${path}`, address), own, (response) => {
          readBody(response).then(
            (text) => resolve({ status: response.statusCode ?? 0, body: text }),
            reject,
          );
        });
        sent.on("error", (error: NodeJS.ErrnoException) => {
          // Vault may close kept connections, several at once, just when one is used again. To encrypt or
          // decrypt twice does no harm.
          const wasClosed = sent.reusedSocket && error.code === "ECONNRESET";
          if (wasClosed && !isRepeat) attempt(true).then(resolve, reject);
          else reject(error);
        });
        sent.end(body);
      });
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#noAnswer(error, timeout.aborted);
    }
  }

  #noAnswer(error: unknown, isTimeout: boolean): VaultError {
    const { address, timeoutMs } = this.#options;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = isTimeout ? `no answer within ${timeoutMs} ms` : message || code;
    return new VaultError(`cannot reach Vault at ${address}: ${why}`, {
      isTransient: isTimeout || TRANSIENT_CODES.includes(code),
    });
  }

  #dataOf({ status, body }: Answer): Readonly<Record<string, unknown>> {
    const { address } = this.#options;
    let content: { readonly data?: unknown; readonly errors?: unknown };
    try {
      content = Object(JSON.parse(body));
    } catch {
      content = {};
    }
    if (status === 200 && typeof content.data === "object" && content.data !== null) {
      return content.data as Readonly<Record<string, unknown>>;
    }
    const errors = Array.isArray(content.errors) ? content.errors.map(String).join("; ") : "";
    const what = status === 200 ? "nothing that it should" : errors.trim() || "no reason";
    throw new VaultError(
      `Vault at ${address} answered with status ${status}: ${what.slice(0, MAX_ERROR_LENGTH)}`,
      { status, isTransient: TRANSIENT_STATUSES.includes(status) || status >= 470 },
    );
  }
}

async function readBody(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_RESPONSE_BYTES)
      throw new Error(`the answer has over ${MAX_RESPONSE_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
