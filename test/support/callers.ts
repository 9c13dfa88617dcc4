import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Role } from "../../src/callers/caller.ts";
import type { SessionClient } from "./app.ts";

/** A line of a callers file, without its credential. */
export interface LineOptions {
  readonly name?: string;
  readonly role?: Role;
  readonly tenants?: readonly string[];
  readonly expires_at?: string;
}

export function newToken(): string {
  return `sessiond_${randomBytes(32).toString("base64url")}`;
}

export function sha256(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

export function tokenLine(token: string, options: LineOptions = {}): string {
  return line({ ...options, token_sha256: sha256(token) });
}

export function line(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ name: "web", role: "issuer", ...fields });
}

export interface TestFile {
  readonly path: string;
  /** Replaces the file, as deployments do: whole, under the same name. */
  write(...lines: readonly string[]): Promise<void>;
  remove(): Promise<void>;
}

/** A file in a directory of its own. */
export async function createTestFile(...lines: readonly string[]): Promise<TestFile> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-callers-"));
  const path = join(directory, "file");
  const write = async (...content: readonly string[]) => {
    await writeFile(`${path}.new`, content.map((text) => `${text}\n`).join(""));
    await rename(`${path}.new`, path);
  };
  await write(...lines);
  return { path, write, remove: () => rm(directory, { recursive: true }) };
}

export function withToken(token: string): Interceptor {
  return (next) => (req) => {
    req.header.set("authorization", `Bearer ${token}`);
    return next(req);
  };
}

export interface CallerClient {
  readonly client: SessionClient;
  close(): void;
}

/** A gRPC client with a connection of its own. */
export function clientOf(url: string, ...interceptors: readonly Interceptor[]): CallerClient {
  const sessionManager = new SessionManager(url);
  const transport = createGrpcTransport({
    baseUrl: url,
    sessionManager,
    interceptors: [...interceptors],
  });
  return {
    client: createClient(SessionService, transport),
    close: () => sessionManager.abort(),
  };
}
