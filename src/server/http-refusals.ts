import { Code, ConnectError } from "@connectrpc/connect";
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { jsonErrorResponse } from "./fixed-response.ts";
import { bodyOf } from "./response-body.ts";

/**
 * Adds a body and the standard headers to a response in which Connect only has an HTTP status: the
 * request's method, content type or HTTP version does not fit the method that it calls. The body says
 * what to send instead. Other responses are returned as they are.
 */
export function explainRefusal(
  response: UniversalServerResponse,
  request: UniversalServerRequest,
  handler: UniversalHandler,
): UniversalServerResponse {
  if (response.body !== undefined) return response;
  const error = errorFor(response.status, handler);
  if (error === undefined) return response;
  const explained = jsonErrorResponse(error, response.status);
  const header = new Headers(response.header);
  for (const [name, value] of Object.entries(explained.headers)) header.set(name, value);
  header.set("content-length", String(explained.body.length));
  if (response.status === 405) header.set("allow", handler.allowedMethods.join(", "));
  if (response.status === 415) header.set("accept-post", contentTypesOf(handler).join(", "));
  return {
    ...response,
    header,
    ...(request.method !== "HEAD" && { body: bodyOf(explained.body) }),
  };
}

/** Its code is the one that clients of Connect derive from the HTTP status. */
function errorFor(status: number, handler: UniversalHandler): ConnectError | undefined {
  switch (status) {
    case 405:
    case 415: {
      const contentTypes = contentTypesOf(handler);
      const list = `${contentTypes.slice(0, -1).join(", ")} or ${contentTypes.at(-1)}`;
      return new ConnectError(`send POST with content-type: ${list}`, Code.Unknown);
    }
    case 505:
      return new ConnectError("call this method over HTTP/2", Code.Unknown);
    default:
      return undefined;
  }
}

function contentTypesOf({ method }: UniversalHandler): string[] {
  const prefix = method.methodKind === "unary" ? "application/" : "application/connect+";
  return [`${prefix}json`, `${prefix}proto`, "application/grpc", "application/grpc-web"];
}
