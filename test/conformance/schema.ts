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

/** The suite's contract as descriptors. There is no generated code for it. */
export interface Schema {
  readonly registry: FileRegistry;
  readonly service: DescService;
  /** Finds a message of the suite by its name without the package. */
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

// Types for the fields that the server reads. Descriptors that are loaded at run time have none.

export interface ServerCompatRequest {
  /** The number in the enum HTTPVersion, which is the version: 1, 2 or 3. */
  httpVersion: number;
  useTls: boolean;
  /** In bytes; zero for no limit. */
  messageReceiveLimit: number;
  serverCreds?: { cert: Uint8Array; key: Uint8Array };
}

export interface Header {
  name: string;
  value: string[];
}

export interface RequestedError {
  /** The same number as in Connect's enum Code. */
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
