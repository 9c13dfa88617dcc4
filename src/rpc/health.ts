import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";

/** The standard health service, grpc.health.v1. */
export interface HealthService {
  routes(router: ConnectRouter): void;
  /**
   * Sets the status of the server to SERVING or NOT_SERVING; at first it is NOT_SERVING. The services
   * are never SERVING while the server is not. To shut down, set it to false before the server
   * drains: each Watch sends NOT_SERVING and then ends with UNAVAILABLE.
   */
  setServing(serving: boolean): void;
  /**
   * Sets whether the services can do their work, which they can at first. If not, they are
   * NOT_SERVING, and the server stays SERVING: "" is for liveness, a service's name for readiness.
   */
  setReady(ready: boolean): void;
  /** The number of open Watch calls. */
  readonly watchers: number;
}

/**
 * Creates the health service.
 *
 * @param serviceNames the full names of the services that have a status, besides "" for the server
 */
export function createHealth(serviceNames: readonly string[]): HealthService {
  const names = ["", ...serviceNames];
  const watchers = new Set<() => void>();
  let serving = false;
  let ready = true;

  function statusOf(service: string): Status | undefined {
    if (!names.includes(service)) return undefined;
    return serving && (ready || service === "") ? Status.SERVING : Status.NOT_SERVING;
  }

  function wakeWatchers(): void {
    for (const onChange of watchers) onChange();
  }

  async function* watch(service: string, signal: AbortSignal) {
    let wakeUp = () => {};
    const onChange = () => wakeUp();
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
          wakeUp = resolve;
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
            statuses: Object.fromEntries(
              names.map((name) => [name, { status: statusOf(name) as Status }]),
            ),
          };
        },
        watch: ({ service }, { signal }) => watch(service, signal),
      });
    },
    setServing(value) {
      serving = value;
      wakeWatchers();
    },
    setReady(value) {
      ready = value;
      wakeWatchers();
    },
    get watchers() {
      return watchers.size;
    },
  };
}
