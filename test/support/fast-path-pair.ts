import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { expect } from "chai";
import type { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Server } from "../../src/server/server.ts";
import { exchange, type Observed, openTapped, type RawRequest } from "./exchange.ts";
import { echo, type StartOptions, useTransport } from "./transport.ts";

type Service = Partial<ServiceImpl<typeof SessionService>>;

/** What passed a call to its handler. */
export type ServedBy = "fast-path" | "connect";

/** One of the two servers that are compared. */
export interface ComparedServer {
  readonly server: Server;
  /** One entry for each call that reached its handler. */
  readonly servedBy: ServedBy[];
}

/** Two servers with the same routes: one with the fast path, one where Connect serves everything. */
export interface FastPathPair {
  readonly fastPath: ComparedServer;
  readonly connect: ComparedServer;
}

/**
 * Tells from the context what served a call: only Connect's own context has a function that aborts
 * the call. The server without the fast path must always be recognized as Connect, or this is wrong.
 */
function servedBy(context: HandlerContext): ServedBy {
  return "abort" in context ? "connect" : "fast-path";
}

/** How long the check for leaked calls waits: only a test that fails waits for it. */
const leakedCallMs = 60_000;

/** Starts pairs of servers, and fails a test that leaves a call in flight. */
export function useFastPathPairs() {
  const servers: ComparedServer[] = [];
  const connections: (() => void)[] = [];

  // Before the hook of useTransport, which would abort leaked calls.
  afterEach("no call is left in flight", async () => {
    for (const { server } of servers.splice(0)) {
      expect(await server.drain(leakedCallMs)).to.deep.equal({ forced: 0 });
    }
    for (const close of connections.splice(0)) close();
  });
  const transport = useTransport();

  async function start(options: StartOptions, unaryFastPath: boolean): Promise<ComparedServer> {
    const calls: ServedBy[] = [];
    const service = recordCalls(options.service ?? echo, calls);
    const server = await transport.start({ ...options, service, unaryFastPath });
    const compared = { server, servedBy: calls };
    servers.push(compared);
    return compared;
  }

  async function open({ server }: ComparedServer) {
    const tapped = await openTapped(server);
    connections.push(() => tapped.session.destroy());
    return tapped;
  }

  return {
    ...transport,
    open,
    /** Calls `options` for each server, so that each may have a service with its own state. */
    async pair(
      options: (unaryFastPath: boolean) => StartOptions = () => ({}),
    ): Promise<FastPathPair> {
      return {
        fastPath: await start(options(true), true),
        connect: await start(options(false), false),
      };
    },
    /** Excludes a pair from the check for leaked calls: the test has aborted them itself. */
    forget({ fastPath, connect }: FastPathPair) {
      for (const server of [fastPath, connect]) servers.splice(servers.indexOf(server), 1);
    },
    /** Sends the request to both servers, asserts that the responses are equal and returns one. */
    async compare(pair: FastPathPair, request: RawRequest = {}): Promise<Observed> {
      const [fromFastPath, fromConnect] = await onBoth(pair, async (server) =>
        exchange(await open(server), request),
      );
      expect(fromFastPath).to.deep.equal(fromConnect);
      return fromFastPath;
    },
    /** The same, with another call on the same connection that must succeed. */
    async compareAndServeNext(pair: FastPathPair, request: RawRequest): Promise<Observed> {
      const [fromFastPath, fromConnect] = await onBoth(pair, async (server) => {
        const tapped = await open(server);
        return { response: await exchange(tapped, request), next: await exchange(tapped) };
      });
      expect(fromFastPath).to.deep.equal(fromConnect);
      expect(fromFastPath.next.trailers).to.deep.equal(["grpc-status: 0"]);
      return fromFastPath.response;
    },
  };
}

/** Runs `use` for both servers at once: first the fast path's result, then Connect's. */
export function onBoth<T>(
  { fastPath, connect }: FastPathPair,
  use: (server: ComparedServer) => Promise<T>,
): Promise<[T, T]> {
  return Promise.all([use(fastPath), use(connect)]);
}

/** Asserts what served the calls of the server with the fast path. The other one has only Connect. */
export function expectServedBy({ fastPath, connect }: FastPathPair, ...expected: ServedBy[]): void {
  expect(fastPath.servedBy).to.deep.equal(expected);
  expect(connect.servedBy).to.deep.equal(expected.map(() => "connect"));
}

function recordCalls(service: Service, calls: ServedBy[]): Service {
  const methods = Object.entries(service).map(([name, handler]) => [
    name,
    (request: never, context: HandlerContext) => {
      calls.push(servedBy(context));
      return (handler as (request: never, context: HandlerContext) => unknown)(request, context);
    },
  ]);
  return Object.fromEntries(methods) as Service;
}
