import type { JsonObject } from "@bufbuild/protobuf";
import { normalResponse } from "./messages.ts";

/**
 * Calls sessiond itself, with nothing but HTTP: for what happens behind the back of the client.
 *
 * @throws {Error} if the call fails
 */
export async function callDirectly(
  url: string,
  rpc: string,
  request: JsonObject,
): Promise<{ ok: JsonObject }> {
  const response = await fetch(`${url}/sessiond.v1.SessionService/${rpc}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${rpc} failed with ${response.status}: ${text}`);
  return { ok: normalResponse(rpc, JSON.parse(text)) };
}
