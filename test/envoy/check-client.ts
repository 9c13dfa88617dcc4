import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** What Envoy tells of a browser's request. */
export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly scheme?: string;
  readonly host?: string;
  /** With names in lower case, as Envoy has them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The context extensions of the route. */
  readonly route?: Readonly<Record<string, string>>;
  /** The peer of Envoy's connection. */
  readonly peer?: string;
  /** As with `encode_raw_headers`: a list of lines, in place of the map. */
  readonly rawHeaders?: readonly (readonly [name: string, value: string])[];
}

/** What Envoy is told. */
export interface Decision {
  /** The name of the gRPC code, `OK` if the request may go on. */
  readonly code: string;
  /** Of a refusal; 0 for a request that may go on. */
  readonly status: number;
  /** Set by a decision or by a refusal; of several with one name, a list. */
  readonly set: Readonly<Record<string, string | readonly string[]>>;
  readonly removed: readonly string[];
  readonly body: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface CheckClient {
  check(asked?: Asked): Promise<Decision>;
  /** The attributes as they are. */
  checkAttributes(attributes: object): Promise<Decision>;
  close(): void;
}

const deps = join(import.meta.dirname, "../../node_modules/@grpc/grpc-js-xds/deps");

/** Nothing of sessiond's own code: the contract as Envoy's package has it, by another library. */
const definition = loadSync("envoy/service/auth/v3/external_auth.proto", {
  includeDirs: ["envoy-api", "xds", "protoc-gen-validate", "googleapis"].map((root) =>
    join(deps, root),
  ),
  keepCase: true,
  enums: String,
  longs: Number,
  defaults: true,
  oneofs: true,
});
const { Authorization } = (
  grpc.loadPackageDefinition(definition) as unknown as {
    envoy: { service: { auth: { v3: { Authorization: grpc.ServiceClientConstructor } } } };
  }
).envoy.service.auth.v3;

interface HeaderOption {
  readonly header: { readonly key: string; readonly value: string };
}

interface WireResponse {
  readonly status: { readonly code: number } | null;
  readonly http_response?: "denied_response" | "ok_response";
  readonly denied_response?: {
    readonly status: { readonly code: string };
    readonly headers: readonly HeaderOption[];
    readonly body: string;
  };
  readonly ok_response?: {
    readonly headers: readonly HeaderOption[];
    readonly headers_to_remove: readonly string[];
  };
  readonly dynamic_metadata: {
    readonly fields: Readonly<Record<string, { readonly stringValue: string }>>;
  } | null;
}

const httpStatus: Readonly<Record<string, number>> = {
  Found: 302,
  Unauthorized: 401,
  Forbidden: 403,
  InternalServerError: 500,
  ServiceUnavailable: 503,
};

/** @param url of sessiond, without TLS */
export function checkClient(url: string, token?: string): CheckClient {
  const client = new Authorization(new URL(url).host, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);

  async function checkAttributes(attributes: object): Promise<Decision> {
    const response = await new Promise<WireResponse>((resolve, reject) => {
      client.Check?.(
        { attributes },
        metadata,
        (error: grpc.ServiceError | null, answer: WireResponse) =>
          error ? reject(error) : resolve(answer),
      );
    });
    return decisionOf(response);
  }

  return {
    checkAttributes,
    check: (asked = {}) => checkAttributes(attributesOf(asked)),
    close: () => client.close(),
  };
}

function attributesOf(asked: Asked): object {
  const { method = "GET", path = "/", scheme = "https", host = "app.test", peer } = asked;
  const raw = asked.rawHeaders?.map(([key, value]) => ({ key, raw_value: Buffer.from(value) }));
  return {
    ...(peer !== undefined && {
      source: { address: { socket_address: { address: peer, port_value: 50_000 } } },
    }),
    request: {
      http: {
        ...{ id: "1", method, path, scheme, host, protocol: "HTTP/1.1" },
        ...(raw ? { header_map: { headers: raw } } : { headers: asked.headers ?? {} }),
      },
    },
    context_extensions: asked.route ?? {},
  };
}

function decisionOf(response: WireResponse): Decision {
  const { denied_response: denied, ok_response: ok } = response;
  const set: Record<string, string | readonly string[]> = {};
  for (const { header } of denied?.headers ?? ok?.headers ?? []) {
    const before = set[header.key];
    set[header.key] = before === undefined ? header.value : [before, header.value].flat();
  }
  const fields = Object.entries(response.dynamic_metadata?.fields ?? {});
  return {
    code: grpc.status[response.status?.code ?? -1] ?? "",
    status: denied === undefined ? 0 : (httpStatus[denied.status.code] ?? Number.NaN),
    set,
    removed: ok?.headers_to_remove ?? [],
    body: denied?.body ?? "",
    metadata: Object.fromEntries(fields.map(([name, value]) => [name, value.stringValue])),
  };
}

/** The Cookie header with the session cookie. */
export function cookieHeader(cookie: string): string {
  return `__Host-session=${cookie}`;
}

/** The reason in the body of a refusal. */
export function reasonOf({ body }: Pick<Decision, "body">): string {
  return (JSON.parse(body) as { reason: string }).reason;
}
