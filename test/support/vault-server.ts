import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { testCertificate, testKey } from "./test-certificate.ts";

type KeyType = "aes256-gcm96" | "rsa-4096";

interface TransitKey {
  readonly type: KeyType;
  /** Version 1 is the first. */
  readonly versions: Buffer[];
  minDecryptionVersion: number;
}

export interface VaultRequest {
  readonly path: string;
  readonly token: string;
  readonly namespace: string;
}

export interface VaultServerOptions {
  readonly tls?: boolean;
  /** Of the mount. */
  readonly namespace?: string;
  readonly mount?: string;
  /** As Vault before 1.12, which ignored the field. */
  readonly ignoresAssociatedData?: boolean;
}

/**
 * The part of Vault's HTTP API that sessiond uses, in this process, as the API's documentation and
 * OpenBao's sources describe it: paths, headers, statuses, messages, the form of ciphertexts.
 */
export class VaultServer {
  readonly requests: VaultRequest[] = [];
  /** The tokens that may encrypt and decrypt; with `true`, also create keys. */
  readonly tokens = new Map<string, boolean>();
  readonly keys = new Map<string, TransitKey>();
  /** Answers every request with this, or with a broken answer, if it is set. */
  failure: { readonly status: number; readonly body: string } | undefined;
  sealed = false;
  /** Leaves requests without an answer until `resume`. */
  hangs = false;
  /** Called before a request is refused for its token. */
  onDenied: () => void = () => {};
  inFlight = 0;
  maxInFlight = 0;
  readonly #options: VaultServerOptions;
  readonly #server: http.Server;
  #resumed = Promise.withResolvers<void>();
  #port = 0;

  constructor(options: VaultServerOptions = {}) {
    this.#options = options;
    const listener: http.RequestListener = (request, response) => {
      this.inFlight += 1;
      this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
      response.on("close", () => {
        this.inFlight -= 1;
      });
      void this.#answer(request, response);
    };
    this.#server =
      options.tls === true
        ? https.createServer({ cert: testCertificate, key: testKey }, listener)
        : http.createServer(listener);
  }

  get address(): string {
    return `${this.#options.tls === true ? "https" : "http"}://localhost:${this.#port}`;
  }

  /** Listens, after `close` on the same port. */
  async listen(): Promise<this> {
    this.#server.listen(this.#port, "localhost");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  /** Answers the requests that hang. */
  resume(): void {
    this.hangs = false;
    this.#resumed.resolve();
    this.#resumed = Promise.withResolvers();
  }

  createKey(name: string, type: KeyType = "aes256-gcm96"): void {
    this.keys.set(name, { type, versions: [randomBytes(32)], minDecryptionVersion: 1 });
  }

  rotate(name: string): void {
    this.#key(name).versions.push(randomBytes(32));
  }

  setMinDecryptionVersion(name: string, version: number): void {
    this.#key(name).minDecryptionVersion = version;
  }

  #key(name: string): TransitKey {
    const key = this.keys.get(name);
    if (key === undefined) throw new Error(`no key ${name}`);
    return key;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { url = "", headers } = request;
    const token = String(headers["x-vault-token"] ?? "");
    const namespace = String(headers["x-vault-namespace"] ?? "");
    this.requests.push({ path: url, token, namespace });
    if (this.hangs) await this.#resumed.promise;
    const { status, body } = this.failure ?? this.#route(request, Buffer.concat(chunks));
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  }

  #route(request: http.IncomingMessage, body: Buffer): { status: number; body: string } {
    const { namespace = "", mount = "transit" } = this.#options;
    const { headers, method = "" } = request;
    if (headers["x-vault-request"] !== "true")
      return refusal(412, "missing 'X-Vault-Request' header");
    if (this.sealed) return refusal(503, "Vault is sealed");
    const mayCreate = this.tokens.get(String(headers["x-vault-token"]));
    if (mayCreate === undefined) {
      this.onDenied();
      return refusal(403, "permission denied", "invalid token");
    }
    const path = (request.url ?? "").replace("/v1/", "");
    const [, operation, name] =
      new RegExp(`^${mount}/(encrypt|decrypt)/([\\w.-]+)$`).exec(path) ?? [];
    const isMounted = (headers["x-vault-namespace"] ?? "") === namespace;
    if (operation === undefined || name === undefined || !isMounted) {
      return refusal(404, `no handler for route "${path}". route entry not found.`);
    }
    if (method !== "POST" && method !== "PUT") return refusal(405, "unsupported operation");
    const input = JSON.parse(body.toString()) as Record<string, string>;
    return operation === "encrypt"
      ? this.#encrypt(name, input, mayCreate)
      : this.#decrypt(name, input);
  }

  #encrypt(name: string, input: Record<string, string>, mayCreate: boolean) {
    const { plaintext } = input;
    if (plaintext === undefined) return refusal(400, "missing plaintext to encrypt");
    if (!this.keys.has(name)) {
      if (!mayCreate) return refusal(403, "1 error occurred:\n\t* permission denied\n\n");
      this.createKey(name);
    }
    const key = this.#key(name);
    const problem = associatedDataProblem(key, input);
    if (problem !== undefined) return problem;
    const version = key.versions.length;
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key.versions[version - 1] as Buffer, nonce);
    cipher.setAAD(this.#additionalData(input));
    const parts = [nonce, cipher.update(plaintext, "base64"), cipher.final(), cipher.getAuthTag()];
    const ciphertext = `vault:v${version}:${Buffer.concat(parts).toString("base64")}`;
    return success({ ciphertext, key_version: version });
  }

  #decrypt(name: string, input: Record<string, string>) {
    const { ciphertext = "" } = input;
    if (ciphertext === "") return refusal(400, "missing ciphertext to decrypt");
    const key = this.keys.get(name);
    if (key === undefined) return refusal(400, "encryption key not found");
    const problem = associatedDataProblem(key, input);
    if (problem !== undefined) return problem;
    if (!ciphertext.startsWith("vault:v")) return refusal(400, "invalid ciphertext: no prefix");
    const [digits = "", encoded] = ciphertext.slice("vault:v".length).split(":");
    if (encoded === undefined) return refusal(400, "invalid ciphertext: wrong number of fields");
    const version = Number(digits);
    if (version > key.versions.length)
      return refusal(400, "invalid ciphertext: version is too new");
    if (version < key.minDecryptionVersion) {
      return refusal(400, "ciphertext or signature version is disallowed by policy (too old)");
    }
    const bytes = Buffer.from(encoded, "base64");
    if (bytes.toString("base64") !== encoded) {
      return refusal(400, "invalid ciphertext: could not decode base64");
    }
    const secret = key.versions[version - 1] as Buffer;
    try {
      const decipher = createDecipheriv("aes-256-gcm", secret, bytes.subarray(0, 12));
      decipher.setAAD(this.#additionalData(input)).setAuthTag(bytes.subarray(-16));
      const parts = [decipher.update(bytes.subarray(12, -16)), decipher.final()];
      return success({ plaintext: Buffer.concat(parts).toString("base64") });
    } catch {
      return refusal(400, "cipher: message authentication failed");
    }
  }

  #additionalData({ associated_data = "" }: Record<string, string>): Buffer {
    if (this.#options.ignoresAssociatedData === true) return Buffer.alloc(0);
    return Buffer.from(associated_data, "base64");
  }
}

function associatedDataProblem({ type }: TransitKey, { associated_data }: Record<string, string>) {
  if (type === "aes256-gcm96" || associated_data === undefined) return undefined;
  return refusal(400, `'[0].associated_data' provided for non-AEAD cipher suite ${type}`);
}

function success(data: Readonly<Record<string, unknown>>) {
  const body = {
    request_id: randomUUID(),
    lease_id: "",
    renewable: false,
    lease_duration: 0,
    data,
    wrap_info: null,
    warnings: null,
    auth: null,
  };
  return { status: 200, body: JSON.stringify(body) };
}

function refusal(status: number, ...errors: readonly string[]) {
  return { status, body: JSON.stringify({ errors }) };
}
