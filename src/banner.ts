import type { EmbeddedPostgres } from "../packages/embedded-postgres/index.ts";
import type { Config } from "./config/config.ts";
import { localUrl } from "./local-url.ts";

/** Where sessiond listens and keeps its data. */
export interface Whereabouts {
  readonly server: { readonly port: number };
  /** Undefined with an external database. */
  readonly embedded: Pick<EmbeddedPostgres, "dataDirectory" | "port"> | undefined;
}

/** What a person sees who starts sessiond in a terminal; its commands work as printed. */
export function banner(version: string, config: Config, { server, embedded }: Whereabouts): string {
  const secure = config.server.tls !== undefined;
  const url = localUrl(config.server.host, server.port, secure);
  const data = embedded
    ? `${embedded.dataDirectory} (embedded PostgreSQL, port ${embedded.port})`
    : "the database of SESSIOND_DATABASE_URL";
  // Shells and certificates: single quotes, and no check of a name that is only local.
  const request = `-d '{"actor":{"actorType":"user","actorId":"alice"}}'`;
  const curl = `curl -sS${secure ? "k" : ""} -H 'content-type: application/json'`;
  const grpcurl = `grpcurl ${secure ? "-insecure" : "-plaintext"}`;
  return `sessiond ${version} listens on ${url} (gRPC, gRPC-Web, Connect)
Its data is in ${data}

Open a session:
  ${curl} ${request} ${url}/sessiond.v1.SessionService/Create
  ${grpcurl} ${request} ${new URL(url).host} sessiond.v1.SessionService/Create

`;
}
