/**
 * Plays the conformance scenarios through this package: `calls` through connect() and the generated
 * client, `apps` through each middleware. Prints its addresses and ends when its input closes.
 */
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { codeName } from "../src/errors.ts";
import {
  connect,
  type SessiondClient,
  SessionLimitDetailSchema,
  SessionService,
  sessionError,
} from "../src/index.ts";
import { createApps } from "./apps.ts";

const url = process.env.SESSIOND_URL ?? "http://127.0.0.1:8480";

interface Call {
  readonly rpc: string;
  readonly request: JsonValue;
  readonly url?: string;
  readonly ca?: string;
  readonly token?: string;
  readonly deadlineMs?: number;
  readonly cancelAfterMs?: number;
  readonly retry?: boolean;
}

const clients = new Map<string, SessiondClient>();

function clientOf({ url: address = url, ca, token, retry }: Call): SessiondClient {
  const key = JSON.stringify([address, ca, token, retry]);
  const client =
    clients.get(key) ??
    connect(address, {
      ...(ca !== undefined && { ca: readFileSync(ca) }),
      ...(token !== undefined && { token }),
      ...(retry !== undefined && { retry }),
    });
  clients.set(key, client);
  return client;
}

async function makeCall(call: Call): Promise<JsonValue> {
  const method = SessionService.methods.find(({ name }) => name === call.rpc);
  if (method === undefined) throw new Error(`there is no RPC ${call.rpc}`);
  const { deadlineMs, cancelAfterMs } = call;
  try {
    const options = {
      ...(deadlineMs !== undefined && { timeoutMs: deadlineMs }),
      ...(cancelAfterMs !== undefined && { signal: cancelAfter(cancelAfterMs) }),
    };
    const request = fromJson(method.input, call.request);
    const client = clientOf(call) as unknown as Record<
      string,
      (message: typeof request, callOptions: typeof options) => Promise<typeof request>
    >;
    const response = await client[method.localName]?.(request, options);
    if (response === undefined) throw new Error(`the client has no ${method.localName}`);
    return { ok: toJson(method.output, response) };
  } catch (thrown) {
    const error = sessionError(thrown);
    return {
      error: {
        code: codeName(error.code),
        reason: error.reasonName,
        httpStatus: error.httpStatus,
        violations: error.violations.map(({ field, description }) => ({ field, description })),
        retryDelayMs: error.retryDelayMs ?? 0,
        ...(error.sessionLimit && {
          sessionLimit: toJson(SessionLimitDetailSchema, error.sessionLimit),
        }),
        browserStatus: error.browserStatus,
      },
    };
  }
}

function cancelAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ms);
  return controller.signal;
}

const calls: RequestListener = async (req, res) => {
  let body = "";
  for await (const chunk of req.setEncoding("utf8")) body += chunk;
  try {
    const answer = await makeCall(JSON.parse(body));
    res.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  } catch (error) {
    res.writeHead(500).end(String(error));
  }
};

function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });
}

const onError = (error: Error) => console.error(error.message);
const apps: Record<string, string> = {};
for (const [name, listener] of Object.entries(await createApps(connect(url), { onError }))) {
  apps[name] = await listen(listener);
}
console.log(JSON.stringify({ calls: { "connect-es": await listen(calls) }, apps }));
process.stdin.resume().once("close", () => process.exit());
