import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import {
  createRegistry,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { expect } from "chai";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/es/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/es/google/rpc/status_pb.ts";
import { ErrorDetailSchema, SessionLimitDetailSchema } from "../../gen/es/sessiond/v1/error_pb.ts";
import { failureOf } from "./expect-failure.ts";
import { callGrpc, failureOf as grpcFailureOf } from "./transport.ts";

/** A failed call, in the same form for all protocols. */
export interface WireFailure {
  /** The name that gRPC uses, such as `UNAUTHENTICATED`. */
  readonly code: string;
  readonly message: string;
  /** Type and content of each detail, in the order in which they were sent. */
  readonly details: readonly (readonly [type: string, content: JsonValue])[];
  /** Only for protocols that use the HTTP status. */
  readonly httpStatus?: number;
}

export interface WireCall {
  /** The URL of the server. */
  readonly url: string;
  readonly method: DescMethodUnary;
  readonly request: JsonObject;
}

const registry = createRegistry(
  ErrorDetailSchema,
  ErrorInfoSchema,
  BadRequestSchema,
  RetryInfoSchema,
  SessionLimitDetailSchema,
);

function readable(message: Message | undefined): readonly [string, JsonValue] {
  const type = message?.$typeName ?? "";
  return [type, toJson(registry.getMessage(type) as DescMessage, message as Message)];
}

/** Calls with grpc-js, as clients of other languages do: the status is in the trailers. */
export async function failOverGrpc({ url, method, request }: WireCall): Promise<WireFailure> {
  const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure());
  try {
    const call = callGrpc(client, method, fromJson(method.input, request));
    const error = await grpcFailureOf<grpc.ServiceError>(call);
    const [bytes] = error.metadata.get("grpc-status-details-bin");
    const status = fromBinary(StatusSchema, bytes as Buffer);
    const { code, details: message } = error;
    expect([status.code, status.message], "the status and its binary form agree").to.deep.equal([
      code,
      message,
    ]);
    return {
      code: grpc.status[code] as string,
      message,
      details: status.details.map((any) => readable(anyUnpack(any, registry))),
    };
  } finally {
    client.close();
  }
}

/** Calls with connect-node and the Connect protocol. */
export async function failOverConnect({ url, method, request }: WireCall): Promise<WireFailure> {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
  const message = fromJson(method.input, request);
  const call = transport.unary(method, undefined, undefined, undefined, message);
  const error: ConnectError = await failureOf(call);
  return {
    code: upperSnakeCase(Code[error.code] as string),
    message: error.rawMessage,
    details: error.findDetails(registry).map(readable),
  };
}

/** Calls without any client library: JSON over HTTP/1.1. */
export async function failOverHttp(call: WireCall): Promise<WireFailure> {
  const response = await fetch(urlOf(call), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(call.request),
  });
  expect(response.headers.get("content-type")).to.equal("application/json");
  return failureOfJson(response.status, await response.text());
}

/** The path of curl; undefined if it is not on the PATH. */
export const curlPath = (process.env.PATH ?? "")
  .split(delimiter)
  .map((directory) => join(directory, "curl"))
  .find((path) => existsSync(path));

/** Calls with curl, as people do when they look for a problem. */
export async function failOverCurl(call: WireCall): Promise<WireFailure> {
  const args = ["--silent", "--show-error", "--http1.1", "--noproxy", "*", "--max-time", "120"];
  args.push("--header", "content-type: application/json", "--data-binary", "@-");
  args.push("--write-out", "\n%{http_code}", urlOf(call));
  const curl = spawn(curlPath as string, args, { stdio: ["pipe", "pipe", "inherit"] });
  curl.stdin.end(JSON.stringify(call.request));
  const [body = "", httpStatus] = (await text(curl.stdout)).split("\n");
  return failureOfJson(Number(httpStatus), body);
}

function urlOf({ url, method }: WireCall): string {
  return `${url}/${method.parent.typeName}/${method.name}`;
}

interface JsonError {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

function failureOfJson(httpStatus: number, body: string): WireFailure {
  const { code, message, details = [] } = JSON.parse(body) as JsonError;
  const decoded = details.map((detail) => {
    const type = registry.getMessage(detail.type) as DescMessage;
    const content = readable(fromBinary(type, Buffer.from(detail.value, "base64")));
    expect(detail, "the debug field has the same content as the value").to.deep.include({
      debug: content[1],
    });
    return content;
  });
  return { code: code.toUpperCase(), message, details: decoded, httpStatus };
}

function upperSnakeCase(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
