import http from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";

export interface BrowserRequest {
  readonly method: string;
  readonly path: string;
  /** One character is one byte. A list sends the header more than once. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

export interface BrowserResponse {
  readonly status: number;
  /** By lower-case name, without Set-Cookie. */
  readonly headers: Readonly<Record<string, string>>;
  readonly setCookies: readonly string[];
  /** Parsed, if it is JSON. */
  readonly body: JsonValue;
}

const TIME_LIMIT_MS = 30_000;

/** Sends requests to one application and keeps its cookies, as a browser does. */
export class Browser {
  readonly #url: string;
  readonly #cookies = new Map<string, string>();

  constructor(url: string) {
    this.#url = url;
  }

  get cookies(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#cookies);
  }

  async send(request: BrowserRequest): Promise<BrowserResponse> {
    const response = await this.#request(request);
    for (const setCookie of response.setCookies) this.#store(setCookie);
    return response;
  }

  #store(setCookie: string): void {
    const [pair = "", ...attributes] = setCookie.split(/; */);
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals);
    const cleared = attributes.some((attribute) => /^max-age=0$/i.test(attribute));
    if (cleared) this.#cookies.delete(name);
    else this.#cookies.set(name, pair.slice(equals + 1));
  }

  #request({ method, path, headers = {}, body }: BrowserRequest): Promise<BrowserResponse> {
    const url = new URL(this.#url);
    const lines: string[] = ["Host", url.host, "Connection", "close"];
    for (const [name, value] of Object.entries(headers)) {
      for (const item of [value].flat()) lines.push(name, item);
    }
    const names = Object.keys(headers).map((name) => name.toLowerCase());
    if (this.#cookies.size > 0 && !names.includes("cookie")) {
      const pairs = [...this.#cookies].map(([name, value]) => `${name}=${value}`);
      lines.push("Cookie", pairs.join("; "));
    }
    const bytes = Buffer.from(body ?? "", "latin1");
    if (!/^(GET|HEAD)$/.test(method) || bytes.length > 0) {
      lines.push("Content-Length", String(bytes.length));
    }
    const { promise, resolve, reject } = Promise.withResolvers<BrowserResponse>();
    const request = http.request({
      host: url.hostname,
      port: url.port,
      method,
      path,
      // A flat list is sent as it is.
      headers: lines,
      agent: false,
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { "set-cookie": setCookies = [], ...others } = response.headers;
        resolve({
          status: response.statusCode ?? 0,
          headers: others as Record<string, string>,
          setCookies,
          body: parsed(Buffer.concat(chunks).toString("utf8")),
        });
      });
    });
    request.end(bytes);
    return promise;
  }
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
