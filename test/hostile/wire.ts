import http from "node:http";
import http2 from "node:http2";
import { buffer } from "node:stream/consumers";
import { create, type DescMethod, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { Health } from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { ATTACKER_ADDRESS, type Target } from "./attack.ts";
import { envelope } from "./attack-connection.ts";
import { codeName } from "./outcomes.ts";

/** No call of the suite takes this long, unless it is never answered. */
const ANSWER_LIMIT_MS = 60_000;

export const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

export function methodOf(name: string): DescMethod {
  const method = SessionService.methods.find((candidate) => candidate.name === name);
  if (method === undefined) throw new Error(`there is no RPC ${name}`);
  return method;
}

/**
 * How a call ended: the name of its code in lower case, such as "invalid_argument"; or "http 415"
 * for an answer without a code; or what there was instead of an answer.
 */
export type Outcome = string;

export const ok: Outcome = "ok";

/** Failures of the server, whatever was sent to it. */
export function isInternal(outcome: Outcome): boolean {
  return /^(internal|unknown|data_loss|http 5\d\d|no answer.*|connection .*)$/.test(outcome);
}

export interface GrpcOptions {
  readonly headers?: http2.OutgoingHttpHeaders;
  readonly path?: string;
  readonly verb?: string;
}

/** gRPC over HTTP/2, on one connection, which bad input must never end. */
export class GrpcWire implements Disposable {
  /** How often the connection had to be made again. */
  lost = 0;
  readonly #target: Target;
  #session: http2.ClientHttp2Session | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  #connected(): http2.ClientHttp2Session {
    if (this.#session !== undefined) {
      if (!this.#session.closed && !this.#session.destroyed) return this.#session;
      this.lost += 1;
    }
    // net.connect's options are handed on, which the types do not say.
    const options = { localAddress: ATTACKER_ADDRESS } as http2.ClientSessionOptions;
    this.#session = http2.connect(this.#target.url, options).on("error", () => {});
    return this.#session;
  }

  /** Sends a body as it is. Undefined: the headers end the stream. */
  async send(body: Uint8Array | undefined, options: GrpcOptions = {}): Promise<Outcome> {
    const { headers = {}, path = "/sessiond.v1.SessionService/Validate", verb = "POST" } = options;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const stream = this.#connected().request(
      {
        ":method": verb,
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      },
      { endStream: body === undefined },
    );
    let status: string | undefined;
    let httpStatus = 0;
    const note = (received: http2.IncomingHttpHeaders) => {
      if (typeof received["grpc-status"] === "string") status = received["grpc-status"];
    };
    stream.on("response", (received) => {
      httpStatus = received[":status"] ?? 0;
      note(received);
    });
    stream.on("trailers", note);
    stream.on("error", () => {});
    // An answer before the whole request: what is left of the request is given up.
    stream.on("end", () => stream.close(http2.constants.NGHTTP2_CANCEL));
    stream.on("close", () => {
      if (status !== undefined) resolve(codeName(Number(status)));
      else if (httpStatus === 200) resolve("no answer but headers");
      else resolve(httpStatus === 0 ? `no answer, reset ${stream.rstCode}` : `http ${httpStatus}`);
    });
    stream.setTimeout(ANSWER_LIMIT_MS, () => stream.destroy());
    stream.resume();
    if (body !== undefined) stream.end(body);
    return promise;
  }

  /** Sends a message. */
  call(method: DescMethod, message: Uint8Array, options: GrpcOptions = {}): Promise<Outcome> {
    return this.send(envelope(message), { path: pathOf(method), ...options });
  }

  [Symbol.dispose](): void {
    this.#session?.destroy();
  }
}

/** Connect over HTTP/1.1. */
export class ConnectWire implements Disposable {
  readonly #target: Target;
  readonly #agent = new http.Agent({ keepAlive: true, localAddress: ATTACKER_ADDRESS });

  constructor(target: Target) {
    this.#target = target;
  }

  async send(
    body: string | Uint8Array,
    options: { path?: string; verb?: string; headers?: http.OutgoingHttpHeaders } = {},
  ): Promise<Outcome> {
    const { host, port } = this.#target;
    const { path = "/sessiond.v1.SessionService/Validate", verb: method = "POST" } = options;
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...options.headers,
    };
    const request = { host, port, path, method, headers, agent: this.#agent };
    http
      .request({ ...request, timeout: ANSWER_LIMIT_MS }, resolve)
      .on("error", reject)
      .on("timeout", () => reject(new Error("timeout")))
      .end(body);
    let text: string;
    let status: number;
    try {
      const response = await promise;
      status = response.statusCode ?? 0;
      text = (await buffer(response)).toString();
    } catch (error) {
      return `no answer: ${(error as Error).message}`;
    }
    if (status === 200) return ok;
    // Connect has no code for these: their JSON says "unknown".
    if (status === 405 || status === 415) return `http ${status}`;
    try {
      const { code } = JSON.parse(text) as { code?: string };
      return code?.replace("canceled", "cancelled") ?? `http ${status}`;
    } catch {
      return `http ${status}`;
    }
  }

  call(method: DescMethod, message: JsonValue): Promise<Outcome> {
    return this.send(JSON.stringify(message), { path: pathOf(method) });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** A health check, as the control that a connection still serves. */
export function healthOn(wire: GrpcWire): Promise<Outcome> {
  const { input } = Health.method.check;
  return wire.call(Health.method.check, toBinary(input, create(input)));
}
