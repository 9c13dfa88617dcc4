import type { App } from "./app.ts";
import type { Config } from "./config.ts";

const WILDCARDS = new Set(["0.0.0.0", "::"]);

/** What a person sees who starts sessiond in a terminal; its commands work as printed. */
export function banner(version: string, config: Config, app: App): string {
  const { port } = app.server;
  const secure = config.server.tls !== undefined;
  const host = WILDCARDS.has(config.server.host) ? "127.0.0.1" : config.server.host;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const url = `${secure ? "https" : "http"}://${authority}`;
  const { embedded } = app.storage;
  const data = embedded
    ? `${embedded.dataDirectory} (embedded PostgreSQL, port ${embedded.port})`
    : "the database of SESSIOND_DATABASE_URL";

  const curl = `curl ${secure ? "-k " : ""}-d '{"actor":{"actorType":"user","actorId":"alice"}}' -H 'content-type: application/json' ${url}/sessiond.v1.SessionService/Create`;
  const grpcurl = `grpcurl ${secure ? "-insecure" : "-plaintext"} -d '{"actor":{"actor_type":"user","actor_id":"alice"}}' ${authority} sessiond.v1.SessionService/Create`;
  return `sessiond ${version} listens on ${url} (gRPC, gRPC-Web, Connect)
Its data is in ${data}

Open a session:
  ${curl}
  ${grpcurl}

`;
}
