import {
  type DescMethod,
  fromJson,
  type JsonObject,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";

export function methodNamed(rpc: string): DescMethod {
  const method = SessionService.methods.find(({ name }) => name === rpc);
  if (method === undefined) throw new Error(`SessionService has no RPC ${rpc}`);
  return method;
}

/**
 * A response's JSON as every language would write it: with all fields that have no presence, whether
 * the client wrote those with default values or not, and in lowerCamelCase.
 *
 * @throws {Error} if it is not a response of this RPC
 */
export function normalResponse(rpc: string, response: JsonValue): JsonObject {
  const { output } = methodNamed(rpc);
  return toJson(output, fromJson(output, response), { alwaysEmitImplicit: true }) as JsonObject;
}
