import { readFileSync } from "node:fs";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { type Any, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const conformancePackage = "connectrpc.conformance.v1";

/** The suite's contract, as buf compiled it: nothing is generated from it. */
export interface Schema {
  readonly registry: FileRegistry;
  readonly service: DescService;
  /** message finds a message of the suite by its name without the package. */
  message(name: string): DescMessage;
}

/** Reads a FileDescriptorSet from a file. */
export function loadSchema(file: string): Schema {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
  function found<T>(desc: T | undefined, name: string): T {
    if (desc === undefined) throw new Error(`${file} has no ${conformancePackage}.${name}`);
    return desc;
  }
  return {
    registry,
    service: found(
      registry.getService(`${conformancePackage}.ConformanceService`),
      "ConformanceService",
    ),
    message: (name) => found(registry.getMessage(`${conformancePackage}.${name}`), name),
  };
}

// The messages, as far as the server reads them. Descriptors that come at run time have no types.

export interface ServerCompatRequest {
  /** As the number of the enum HTTPVersion, which is that of the version: 1, 2 or 3. */
  httpVersion: number;
  useTls: boolean;
  /** Bytes. Zero: no limit is asked for. */
  messageReceiveLimit: number;
  serverCreds?: { cert: Uint8Array; key: Uint8Array };
}

export interface Header {
  name: string;
  value: string[];
}

export interface RequestedError {
  /** The numbers are Connect's. */
  code: number;
  message?: string;
  details: Any[];
}

export interface UnaryResponseDefinition {
  responseHeaders: Header[];
  responseTrailers: Header[];
  responseDelayMs: number;
  response:
    | { case: "responseData"; value: Uint8Array }
    | { case: "error"; value: RequestedError }
    | { case: undefined; value?: undefined };
}

export interface StreamResponseDefinition {
  responseHeaders: Header[];
  responseTrailers: Header[];
  responseDelayMs: number;
  responseData: Uint8Array[];
  error?: RequestedError;
}
