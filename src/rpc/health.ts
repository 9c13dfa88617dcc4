import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";

/** The standard health service, grpc.health.v1. */
export interface HealthService {
  routes(router: ConnectRouter): void;
  /**
   * setServing changes the status of the server and of each service at once. It starts as
   * NOT_SERVING. To shut down, set it to false before the server drains: each Watch is told, and
   * is then ended with UNAVAILABLE.
   */
  setServing(serving: boolean): void;
  /** watchers is the number of Watch calls that are open. */
  readonly watchers: number;
}

/** `serviceNames` are the full names that have a status, besides "" for the server as a whole. */
export function createHealth(serviceNames: readonly string[]): HealthService {
  const names = ["", ...serviceNames];
  const watchers = new Set<() => void>();
  let current: Status = Status.NOT_SERVING;

  function statusOf(service: string): Status | undefined {
    return names.includes(service) ? current : undefined;
  }

  async function* watch(service: string, signal: AbortSignal) {
    let wake = () => {};
    const onChange = () => wake();
    watchers.add(onChange);
    signal.addEventListener("abort", onChange);
    let sent: Status | undefined;
    try {
      for (;;) {
        const status = statusOf(service) ?? Status.SERVICE_UNKNOWN;
        if (status !== sent) {
          sent = status;
          yield { status };
        } else if (signal.aborted) {
          throw ConnectError.from(signal.reason, Code.Canceled);
        } else {
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          await promise;
        }
      }
    } finally {
      watchers.delete(onChange);
      signal.removeEventListener("abort", onChange);
    }
  }

  return {
    routes(router) {
      router.service(Health, {
        check({ service }) {
          const status = statusOf(service);
          if (status === undefined) {
            throw new ConnectError("unknown service", Code.NotFound);
          }
          return { status };
        },
        list() {
          return {
            statuses: Object.fromEntries(names.map((name) => [name, { status: current }])),
          };
        },
        watch: ({ service }, { signal }) => watch(service, signal),
      });
    },
    setServing(serving) {
      current = serving ? Status.SERVING : Status.NOT_SERVING;
      for (const onChange of watchers) {
        onChange();
      }
    },
    get watchers() {
      return watchers.size;
    },
  };
}
