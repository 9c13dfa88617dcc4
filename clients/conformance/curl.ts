import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import type { CallAnswer, CallError, CallRequest, Stub } from "./clients.ts";
import { decodeDetails, grpcName } from "./error-details.ts";

/** Connect's JSON over HTTP with the curl program, as people use it in scripts. */
export function createCurlStub(program: string, sessiondUrl: string): Stub {
  return {
    name: "curl",
    lacks: {
      retry: "curl does not know RetryInfo",
      defaultDeadline: "curl has no deadline of its own",
      browserStatus: "curl answers no browser",
    },
    call: (request) => call(program, { url: sessiondUrl, ...request }),
  };
}

/** curl's exit codes that mean something else than a server that cannot be reached. */
const EXIT_TIMEOUT = 28;

async function call(program: string, request: CallRequest): Promise<CallAnswer> {
  const { url, rpc, deadlineMs, cancelAfterMs, token, ca } = request;
  const headers = ["content-type: application/json", "connect-protocol-version: 1"];
  if (deadlineMs !== undefined) headers.push(`connect-timeout-ms: ${deadlineMs}`);
  if (token !== undefined) headers.push(`authorization: Bearer ${token}`);
  const child = spawn(
    program,
    [
      ...["--silent", "--show-error", "--http1.1", "--noproxy", "*"],
      ...headers.flatMap((header) => ["--header", header]),
      ...(deadlineMs === undefined ? [] : ["--max-time", String(deadlineMs / 1000)]),
      ...(ca === undefined ? [] : ["--cacert", ca]),
      ...["--data-binary", "@-", "--write-out", "\n%{http_code}"],
      `${url}/sessiond.v1.SessionService/${rpc}`,
    ],
    { stdio: ["pipe", "pipe", "ignore"] },
  );
  const { promise: exited, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("error", reject);
  child.once("close", resolve);
  // It may end before it has read everything.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(request.request));
  const timer =
    cancelAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGINT"), cancelAfterMs);
  const [output, status] = await Promise.all([text(child.stdout), exited]);
  clearTimeout(timer);
  if (child.signalCode !== null) return { error: withoutDetail("CANCELLED") };
  if (status === EXIT_TIMEOUT) return { error: withoutDetail("DEADLINE_EXCEEDED") };
  if (status !== 0) return { error: withoutDetail("UNAVAILABLE") };
  const end = output.lastIndexOf("\n");
  const body = JSON.parse(output.slice(0, end));
  return output.slice(end + 1) === "200" ? { ok: body } : { error: errorOf(body) };
}

interface JsonError {
  readonly code: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

function errorOf({ code, details = [] }: JsonError): CallError {
  const decoded = details.map(({ type, value }) => ({ type, value: Buffer.from(value, "base64") }));
  return { code: grpcName(code), ...decodeDetails(decoded) };
}

function withoutDetail(code: string): CallError {
  return { code, ...decodeDetails([]) };
}
