import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { until } from "../support/until.ts";
import type { Security, ToolServer } from "./tool-server.ts";

export interface Envoy {
  /** Where its first listener is. */
  readonly url: string;
  /** The connections that Envoy has opened to a cluster, and those that ended with a protocol error. */
  connections(
    cluster: string,
  ): Promise<{ readonly opened: number; readonly protocolErrors: number }>;
}

/** Writes a file that stays while Envoy runs. */
type WriteFile = (name: string, content: string) => Promise<string>;

/** Starts Envoy with a configuration. It has ended after each test of the suite. */
export function useEnvoy() {
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) await endEnvoy(child);
  });

  return async (program: string, configuration: object, file: WriteFile): Promise<Envoy> => {
    const { child, envoy } = await startEnvoy(program, configuration, file);
    children.push(child);
    return envoy;
  };
}

/** Starts Envoy. The caller ends the process with `endEnvoy`. */
export async function startEnvoy(
  program: string,
  configuration: object,
  file: WriteFile,
): Promise<{ readonly child: ChildProcess; readonly envoy: Envoy }> {
  const adminAddress = await file("admin-address", "");
  const config = await file("envoy.json", JSON.stringify(configuration));
  const args = ["--config-path", config, "--admin-address-path", adminAddress];
  args.push("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning");
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = once(child, "exit").then(() => {
    throw new Error(`Envoy has ended: ${said}`);
  });
  ended.catch(() => {});
  try {
    const admin = `http://${await Promise.race([ended, contentOf(adminAddress)])}`;
    const url = await Promise.race([ended, listenerOf(admin)]);
    return { child, envoy: { url, connections: (cluster) => connectionsOf(admin, cluster) } };
  } catch (error) {
    await endEnvoy(child);
    throw error;
  }
}

export async function endEnvoy(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function connectionsOf(admin: string, cluster: string) {
  const stats = await (await fetch(`${admin}/stats?filter=^cluster.${cluster}`)).text();
  const count = (name: string) =>
    Number(new RegExp(`^cluster\\.${cluster}\\.${name}: (\\d+)`, "m").exec(stats)?.[1]);
  return {
    opened: count("upstream_cx_http2_total"),
    protocolErrors: count("upstream_cx_protocol_error"),
  };
}

async function contentOf(path: string): Promise<string> {
  return until("Envoy's administration listens", async () => {
    const content = await readFile(path, "utf8");
    return content !== "" && content;
  });
}

async function listenerOf(admin: string): Promise<string> {
  return until("Envoy listens", async () => {
    const response = await fetch(`${admin}/listeners?format=json`);
    const { listener_statuses: listeners = [] } = (await response.json()) as Listeners;
    const ready = await fetch(`${admin}/ready`);
    const port = listeners[0]?.local_address.socket_address.port_value;
    return ready.status === 200 && port !== undefined && `http://127.0.0.1:${port}`;
  });
}

interface Listeners {
  readonly listener_statuses?: readonly {
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const typed = (name: string, value: object) => ({
  "@type": `type.googleapis.com/envoy.${name}`,
  ...value,
});

/** A proxy of HTTP/2 before the servers, which listens in cleartext. */
export function http2Proxy({ ca }: Security, servers: readonly ToolServer[]): object {
  const connectionManager = {
    stat_prefix: "ingress",
    codec_type: "HTTP2",
    http2_protocol_options: {},
    stream_idle_timeout: "0s",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            {
              match: { prefix: "/" },
              route: {
                cluster: "servers",
                timeout: "0s",
                // What crosses a GOAWAY was not processed, and goes to the other server.
                retry_policy: {
                  retry_on: "refused-stream,connect-failure",
                  num_retries: 3,
                  retry_back_off: { base_interval: "0.001s", max_interval: "0.002s" },
                  retry_host_predicate: [
                    {
                      name: "another server",
                      typed_config: typed(
                        "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                        {},
                      ),
                    },
                  ],
                  host_selection_retry_max_attempts: 5,
                },
              },
            },
          ],
        },
      ],
    },
    http_filters: [
      {
        name: "router",
        typed_config: typed("extensions.filters.http.router.v3.Router", {}),
      },
    ],
  };
  const upstreamTls = {
    sni: "localhost",
    common_tls_context: {
      alpn_protocols: ["h2"],
      validation_context: { trusted_ca: { inline_string: ca } },
    },
  };
  return {
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          address: address(0),
          filter_chains: [
            {
              filters: [
                {
                  name: "http",
                  typed_config: typed(
                    "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    connectionManager,
                  ),
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: "servers",
          connect_timeout: "5s",
          // All calls that cross a GOAWAY are retried at once; Envoy allows 3 by default.
          circuit_breakers: { thresholds: [{ max_retries: 1000 }] },
          load_assignment: {
            cluster_name: "servers",
            endpoints: [
              {
                lb_endpoints: servers.map(({ port }) => ({ endpoint: { address: address(port) } })),
              },
            ],
          },
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
              "extensions.upstreams.http.v3.HttpProtocolOptions",
              { explicit_http_config: { http2_protocol_options: {} } },
            ),
          },
          ...(ca !== undefined && {
            transport_socket: {
              name: "tls",
              typed_config: typed(
                "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                upstreamTls,
              ),
            },
          }),
        },
      ],
    },
  };
}
