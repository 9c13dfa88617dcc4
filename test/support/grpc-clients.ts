import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/es/google/rpc/status_pb.ts";
import { findProgram } from "./programs.ts";

/** A call of any method, with a message that is already encoded. */
export interface ClientCall {
  /** In the syntax of gRPC, such as `127.0.0.1:8480` or `ipv4:127.0.0.1:1,127.0.0.1:2`. */
  readonly target: string;
  readonly path: string;
  /** Makes it a bidirectional stream that sends one message and waits for the first response. */
  readonly streaming?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly message?: Uint8Array;
  /** Certificates of authorities in PEM, for a call over TLS. */
  readonly ca?: string;
  readonly deadlineMs?: number;
  /** Makes the call so many times on one channel, 16 at a time, until one of them fails. */
  readonly times?: number;
}

/** What a client library tells its user of a call. */
export interface ClientResult {
  /** Such as `UNIMPLEMENTED`. */
  readonly code: string;
  readonly message: string;
  /** The reason in google.rpc.ErrorInfo; empty if there is none. */
  readonly reason: string;
  /** The first message of the response. */
  readonly response: Uint8Array;
}

/** The gRPC library of one language. */
export interface GrpcClient {
  readonly name: string;
  /** Prepares the client. False if what it needs is not installed. */
  prepare(): Promise<boolean>;
  call(calls: readonly ClientCall[]): Promise<ClientResult[]>;
  cleanUp(): Promise<void>;
}

/** Only ends a test that would hang. */
const DEADLINE_MS = 60_000;

const AT_ONCE = 16;

const programs = join(import.meta.dirname, "..", "clients");

/** A call as the programs in test/clients read it; bytes are in base64. */
interface WireCall extends Required<Omit<ClientCall, "message">> {
  readonly message: string;
}

interface WireResult {
  readonly code: string;
  readonly message: string;
  /** A google.rpc.Status. */
  readonly status: string;
  readonly response: string;
}

async function runProgram(command: string, args: string[], calls: readonly ClientCall[]) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const wireCalls = calls.map(
    ({ message = new Uint8Array(), ...call }): WireCall => ({
      streaming: false,
      metadata: {},
      ca: "",
      deadlineMs: DEADLINE_MS,
      times: 1,
      ...call,
      message: Buffer.from(message).toString("base64"),
    }),
  );
  child.stdin.end(JSON.stringify(wireCalls));
  const results = JSON.parse(await text(child.stdout)) as WireResult[];
  return results.map(({ code, message, status, response }) => ({
    code,
    message,
    reason: reasonOf(Buffer.from(status, "base64")),
    response: Buffer.from(response, "base64"),
  }));
}

/** The reason in an encoded google.rpc.Status; empty if there is none. */
export function reasonOf(status: Uint8Array): string {
  const { details } = fromBinary(StatusSchema, status);
  const [reason = ""] = details.flatMap((any) => anyUnpack(any, ErrorInfoSchema)?.reason ?? []);
  return reason;
}

/** Builds the program when it is prepared; Go downloads its modules the first time. */
function createGoClient(): GrpcClient {
  let directory = "";
  const program = () => join(directory, "client");
  return {
    name: "grpc-go",
    async prepare() {
      const go = findProgram("go");
      if (go === undefined) return false;
      directory = await mkdtemp(join(tmpdir(), "sessiond-grpc-go-"));
      const args = ["-C", join(programs, "go"), "build", "-o", program(), "."];
      const { status } = spawnSync(go, args, { stdio: "inherit" });
      if (status !== 0) throw new Error("go build failed");
      return true;
    },
    call: (calls) => runProgram(program(), [], calls),
    async cleanUp() {
      if (directory !== "") await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Needs a python3 on PATH that has grpcio: see CONTRIBUTING.md. */
function createPythonClient(): GrpcClient {
  const python = findProgram("python3") ?? "";
  return {
    name: "grpcio",
    async prepare() {
      return python !== "" && spawnSync(python, ["-c", "import grpc"]).status === 0;
    },
    call: (calls) => runProgram(python, [join(programs, "python", "client.py")], calls),
    async cleanUp() {},
  };
}

const nodeClient: GrpcClient = {
  name: "grpc-js",
  prepare: async () => true,
  call: (calls) => Promise.all(calls.map(callWithNode)),
  async cleanUp() {},
};

async function callWithNode(call: ClientCall): Promise<ClientResult> {
  const { ca, times = 1 } = call;
  const credentials =
    ca === undefined
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(Buffer.from(ca));
  const client = new grpc.Client(call.target, credentials, {
    // A connection of its own, as in the programs of the other languages.
    "grpc.use_local_subchannel_pool": 1,
  });
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(call.metadata ?? {})) metadata.set(key, value);
  let left = times;
  let response: Uint8Array = Buffer.of();
  const work = async () => {
    while (left > 0) {
      left -= 1;
      response = await firstResponse(client, call, metadata);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(times, AT_ONCE) }, work));
    return { code: "OK", message: "", reason: "", response };
  } catch (error) {
    const { code, details, metadata } = error as grpc.ServiceError;
    const [status = Buffer.alloc(0)] = metadata.get("grpc-status-details-bin");
    const name = grpc.status[code] as string;
    return {
      code: name,
      message: details,
      reason: reasonOf(status as Buffer),
      response: Buffer.of(),
    };
  } finally {
    client.close();
  }
}

function firstResponse(
  client: grpc.Client,
  { path, streaming = false, message = Buffer.of(), deadlineMs = DEADLINE_MS }: ClientCall,
  metadata: grpc.Metadata,
): Promise<Uint8Array> {
  const bytes = (value: Uint8Array) => Buffer.from(value);
  const options = { deadline: Date.now() + deadlineMs };
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  if (streaming) {
    const stream = client.makeBidiStreamRequest(path, bytes, bytes, metadata, options);
    stream.once("data", (response: Uint8Array) => {
      resolve(response);
      stream.cancel();
    });
    stream.on("error", reject);
    stream.write(message);
    stream.end();
  } else {
    client.makeUnaryRequest(path, bytes, bytes, message, metadata, options, (error, response) => {
      if (error === null) resolve(response ?? Buffer.of());
      else reject(error);
    });
  }
  return promise;
}

export function createGrpcClients(): readonly GrpcClient[] {
  return [nodeClient, createGoClient(), createPythonClient()];
}
