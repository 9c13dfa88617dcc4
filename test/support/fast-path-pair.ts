import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { expect } from "chai";
import type { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Server } from "../../src/server/server.ts";
import { exchange, type Observed, openTapped, type RawRequest } from "./exchange.ts";
import { echo, type StartOptions, useTransport } from "./transport.ts";

type Service = Partial<ServiceImpl<typeof SessionService>>;

/** The two ways of serving a call, under test side by side. */
export interface Way {
  readonly server: Server;
  /** servedBy tells for each call that reached the implementation which way it came. */
  readonly servedBy: ("fast-path" | "connect")[];
}

export interface FastPathPair {
  readonly fastPath: Way;
  readonly connect: Way;
}

/**
 * How a call came can be told from the context: Connect's own carries a function with which
 * Connect ends the call's signal, and the fast path has none. That the server without the fast path is
 * always told as Connect shows that this holds.
 */
export function wayOf(context: HandlerContext): "fast-path" | "connect" {
  return "abort" in context ? "connect" : "fast-path";
}

/** How long a call that has leaked would be waited for. */
const leftInFlightMs = 2000;

/** Starts servers in pairs: the same routes with the fast path and without. */
export function useFastPathPairs() {
  const ways: Way[] = [];
  const connections: (() => void)[] = [];

  // Before the hook of useTransport, which would end by force what is left.
  afterEach("no call is left in flight", async () => {
    for (const { server } of ways.splice(0)) {
      expect(await server.drain(leftInFlightMs)).to.deep.equal({ forced: 0 });
    }
    for (const close of connections.splice(0)) close();
  });
  const transport = useTransport();

  async function start(options: StartOptions, unaryFastPath: boolean): Promise<Way> {
    const servedBy: Way["servedBy"] = [];
    const service = spied(options.service ?? echo, servedBy);
    const server = await transport.start({ ...options, service, unaryFastPath });
    const way = { server, servedBy };
    ways.push(way);
    return way;
  }

  return {
    ...transport,
    /** `options` is asked for each server, so that its service may have a state of its own. */
    async pair(
      options: (unaryFastPath: boolean) => StartOptions = () => ({}),
    ): Promise<FastPathPair> {
      return {
        fastPath: await start(options(true), true),
        connect: await start(options(false), false),
      };
    },
    /** For a pair of which calls were ended by force, as the test wanted. */
    forget({ fastPath, connect }: FastPathPair) {
      for (const way of [fastPath, connect]) ways.splice(ways.indexOf(way), 1);
    },
    async open(way: Way) {
      const tapped = await openTapped(way.server);
      connections.push(() => tapped.session.destroy());
      return tapped;
    },
    /** Sends the request both ways, fails unless the answers are equal, and returns that answer. */
    async compare(
      { fastPath, connect }: FastPathPair,
      request: RawRequest = {},
    ): Promise<Observed> {
      const [byFastPath, byConnect] = await Promise.all(
        [fastPath, connect].map(async (way) => exchange(await this.open(way), request)),
      );
      expect(byFastPath).to.deep.equal(byConnect);
      return byFastPath as Observed;
    },
  };
}

function spied(service: Service, servedBy: Way["servedBy"]): Service {
  const methods = Object.entries(service).map(([name, implementation]) => [
    name,
    (request: never, context: HandlerContext) => {
      servedBy.push(wayOf(context));
      return (implementation as (request: never, context: HandlerContext) => unknown)(
        request,
        context,
      );
    },
  ]);
  return Object.fromEntries(methods) as Service;
}
