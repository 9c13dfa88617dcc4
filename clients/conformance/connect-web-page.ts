/** What runs in the browser: calls with connect-web, and nothing else of ours. */
import { type DescMethod, fromJson, type Message, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { CallAnswer, CallRequest } from "./clients.ts";
import { decodeDetails, grpcName } from "./error-details.ts";

type Calls = Record<
  string,
  (request: Message, options: { timeoutMs?: number; signal: AbortSignal }) => Promise<Message>
>;

async function callSessiond(call: CallRequest): Promise<CallAnswer> {
  const { rpc, request, url = "", token, deadlineMs, cancelAfterMs } = call;
  const method = SessionService.methods.find(({ name }) => name === rpc) as DescMethod;
  const withToken: Interceptor = (next) => (sent) => {
    if (token !== undefined) sent.header.set("authorization", `Bearer ${token}`);
    return next(sent);
  };
  const transport = createConnectTransport({ baseUrl: url, interceptors: [withToken] });
  const client = createClient(SessionService, transport) as unknown as Calls;
  const cancellation = new AbortController();
  if (cancelAfterMs !== undefined) setTimeout(() => cancellation.abort(), cancelAfterMs);
  try {
    const response = await client[method.localName]?.(fromJson(method.input, request), {
      ...(deadlineMs !== undefined && { timeoutMs: deadlineMs }),
      signal: cancellation.signal,
    });
    return { ok: toJson(method.output, response as Message) };
  } catch (thrown) {
    const { code, details } = ConnectError.from(thrown);
    const name = (Code[code] as string).replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
    const raw = details.flatMap((detail) => ("type" in detail ? [detail] : []));
    return { error: { code: grpcName(name), ...decodeDetails(raw) } };
  }
}

Object.assign(globalThis, { callSessiond });
