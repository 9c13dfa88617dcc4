import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { z } from "zod";
import type { Capability } from "./scenario-file.ts";

/** A call for a stub to make. */
export interface CallRequest {
  readonly rpc: string;
  /** The request message as JSON. */
  readonly request: JsonObject;
  readonly url?: string;
  readonly ca?: string;
  readonly token?: string;
  readonly deadlineMs?: number;
  readonly cancelAfterMs?: number;
  readonly retry?: false;
}

export const callErrorSchema = z.strictObject({
  /** As gRPC spells it, such as `UNAUTHENTICATED`. */
  code: z.string(),
  /** Without prefix; empty if sessiond did not report the failure. */
  reason: z.string(),
  httpStatus: z.number(),
  violations: z.array(z.strictObject({ field: z.string(), description: z.string() })),
  retryDelayMs: z.number(),
  /** The SessionLimitDetail as proto JSON, if there is one. */
  sessionLimit: z.record(z.string(), z.json()).optional(),
  /** Only of clients that have it. */
  browserStatus: z.number().optional(),
});

export const callAnswerSchema = z.union([
  z.strictObject({ ok: z.json() as z.ZodType<JsonValue> }),
  z.strictObject({ error: callErrorSchema }),
]);

export type CallError = z.infer<typeof callErrorSchema>;
export type CallAnswer = z.infer<typeof callAnswerSchema>;

/** What a client does not have by its nature, and why: such scenarios do not apply to it. */
export type Lacks = Readonly<Partial<Record<Capability, string>>>;

/** Why a generated stub cannot send a field that does not exist. */
export const NO_RAW_JSON = "its types have the fields of the contract only";

/** A generated stub under test. */
export interface Stub {
  readonly name: string;
  readonly lacks: Lacks;
  call(request: CallRequest): Promise<CallAnswer>;
}

/** An application with a middleware under test. */
export interface App {
  readonly name: string;
  readonly url: string;
  readonly lacks: Lacks;
}
