import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";

export const SHIPPED_CONFIGURATION = join(import.meta.dirname, "../../deploy/envoy/envoy.yaml");

interface Address {
  readonly socket_address: { port_value: number };
}

/** The parts of a configuration that tests change. */
export interface EnvoyConfiguration {
  readonly admin: { readonly address: Address };
  readonly static_resources: {
    readonly listeners: readonly {
      readonly address: Address;
      readonly filter_chains: readonly {
        readonly filters: readonly [{ readonly typed_config: ConnectionManager }];
      }[];
    }[];
    readonly clusters: readonly {
      readonly name: string;
      readonly load_assignment: {
        readonly endpoints: readonly {
          readonly lb_endpoints: readonly { readonly endpoint: { readonly address: Address } }[];
        }[];
      };
    }[];
  };
}

interface ConnectionManager {
  http_filters: { readonly name: string; readonly typed_config: Record<string, unknown> }[];
  xff_num_trusted_hops?: number;
}

/** What deploy/envoy/envoy.yaml says, with free ports and these servers. */
export async function shippedConfiguration(
  servers: Readonly<Record<"application" | "sessiond", string>>,
): Promise<EnvoyConfiguration> {
  const configuration = parse(await readFile(SHIPPED_CONFIGURATION, "utf8")) as EnvoyConfiguration;
  const { listeners, clusters } = configuration.static_resources;
  for (const { address } of [configuration.admin, ...listeners]) {
    address.socket_address.port_value = 0;
  }
  for (const { name, load_assignment } of clusters) {
    const port = Number(new URL(servers[name as keyof typeof servers]).port);
    for (const { lb_endpoints } of load_assignment.endpoints) {
      for (const { endpoint } of lb_endpoints) endpoint.address.socket_address.port_value = port;
    }
  }
  return configuration;
}

export function connectionManagerOf(configuration: EnvoyConfiguration): ConnectionManager {
  const [listener] = configuration.static_resources.listeners;
  const manager = listener?.filter_chains[0]?.filters[0].typed_config;
  if (manager === undefined) throw new Error("the configuration has no listener");
  return manager;
}

/** How long Envoy waits for a Check. On a machine with a lot to do, two seconds are not enough. */
export function setCheckTimeout(configuration: EnvoyConfiguration, timeout: string): void {
  const { http_filters } = connectionManagerOf(configuration);
  const filter = http_filters.find(({ name }) => name === "envoy.filters.http.ext_authz");
  const service = filter?.typed_config.grpc_service as { timeout: string } | undefined;
  if (service === undefined) throw new Error("the configuration has no ext_authz");
  service.timeout = timeout;
}
