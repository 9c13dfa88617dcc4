import { createServer, request as httpRequest, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** With a character for each byte. */
  readonly setCookies: readonly string[];
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests compare it.
  readonly json: any;
}

export interface AnswerRequest {
  readonly method?: string;
  /** With a character for each byte. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly form?: Readonly<Record<string, string>> | string;
}

export interface TestServer {
  send(path: string, request?: AnswerRequest): Promise<Answer>;
  close(): Promise<void>;
}

/** Serves on a free port. */
export async function serve(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  function send(path: string, { method, headers, form }: AnswerRequest = {}): Promise<Answer> {
    const body = typeof form === "object" ? new URLSearchParams(form).toString() : form;
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        port,
        host: "127.0.0.1",
        path,
        method: method ?? (form === undefined ? "GET" : "POST"),
        headers: {
          ...(body !== undefined && {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            ...(headers?.["transfer-encoding"] === undefined && {
              "content-length": String(Buffer.byteLength(body)),
            }),
          }),
          ...headers,
        },
        agent: false,
      });
      request.once("error", reject).once("response", async (response) => {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        const { "set-cookie": setCookies = [] } = response.headers;
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          setCookies,
          text,
          get json() {
            return JSON.parse(text);
          },
        });
      });
      request.end(body);
    });
  }

  return {
    send,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The cookies of a browser that does not look at their attributes. */
export class CookieJar {
  readonly #cookies = new Map<string, string>();

  store({ setCookies }: Answer): void {
    for (const header of setCookies) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(header) ?? [];
      if (value === "") this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }

  get(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  get header(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }
}
