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
  readonly servedBy: ("lane" | "connect")[];
}

export interface LanePair {
  readonly lane: Way;
  readonly connect: Way;
}

/**
 * How a call came can be told from the context: Connect's own carries a function with which
 * Connect ends the call's signal, and the lane has none. That the server without the lane is
 * always told as Connect shows that this holds.
 */
export function wayOf(context: HandlerContext): "lane" | "connect" {
  return "abort" in context ? "connect" : "lane";
}

/** How long a call that has leaked would be waited for. */
const leftInFlightMs = 2000;

/** Starts servers in pairs: the same routes with the lane and without. */
export function useLanePairs() {
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

  async function start(options: StartOptions, unaryLane: boolean): Promise<Way> {
    const servedBy: Way["servedBy"] = [];
    const service = spied(options.service ?? echo, servedBy);
    const server = await transport.start({ ...options, service, unaryLane });
    const way = { server, servedBy };
    ways.push(way);
    return way;
  }

  return {
    ...transport,
    /** `options` is asked for each server, so that its service may have a state of its own. */
    async pair(options: (unaryLane: boolean) => StartOptions = () => ({})): Promise<LanePair> {
      return {
        lane: await start(options(true), true),
        connect: await start(options(false), false),
      };
    },
    /** For a pair of which calls were ended by force, as the test wanted. */
    forget({ lane, connect }: LanePair) {
      for (const way of [lane, connect]) ways.splice(ways.indexOf(way), 1);
    },
    async open(way: Way) {
      const tapped = await openTapped(way.server);
      connections.push(() => tapped.session.destroy());
      return tapped;
    },
    /** Sends the request both ways, fails unless the answers are equal, and returns that answer. */
    async compare({ lane, connect }: LanePair, request: RawRequest = {}): Promise<Observed> {
      const [byLane, byConnect] = await Promise.all(
        [lane, connect].map(async (way) => exchange(await this.open(way), request)),
      );
      expect(byLane).to.deep.equal(byConnect);
      return byLane as Observed;
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
