import { expect } from "chai";
import { maxPipelined } from "../../src/server/http1-pipelining.ts";
import type { Server } from "../../src/server/server.ts";
import { pendingHandler } from "../support/pending-handler.ts";
import { cookieOf, useTransport, validatePath } from "../support/transport.ts";
import { until } from "../support/until.ts";

function post(cookie: string): string {
  const body = JSON.stringify({ cookie });
  const headers = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  return `POST ${validatePath} HTTP/1.1\r\n${headers}\r\n\r\n${body}`;
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);

describe("pipelining over HTTP/1.1", () => {
  const transport = useTransport();

  function connect(server: Server) {
    const socket = transport.connect(server);
    socket.on("error", () => {});
    let received = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      received += chunk;
    });
    const answered = () => [...received.matchAll(/"id":"(c\d+)"/g)].map(([, id]) => id);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    return { socket, answered, closed };
  }

  it("serves the requests of a connection one after the other, in order", async () => {
    let running = 0;
    let most = 0;
    const server = await transport.start({
      service: {
        async validate(request) {
          running += 1;
          most = Math.max(most, running);
          await new Promise(setImmediate);
          running -= 1;
          return { session: { id: cookieOf(request) } };
        },
      },
    });
    const { socket, answered } = connect(server);

    socket.write(names(maxPipelined).map(post).join(""));

    await until("all are answered", async () => answered().length === maxPipelined);
    expect(answered()).to.deep.equal(names(maxPipelined));
    expect(most).to.equal(1);
    socket.write(post("c1000"));
    await until("the next is answered", async () => answered().at(-1) === "c1000");
  });

  it("closes a connection on which too many wait, and serves others meanwhile", async () => {
    const errors: unknown[] = [];
    const { service, started, release } = pendingHandler();
    const server = await transport.start({ service, onError: (error) => errors.push(error) });
    const flood = connect(server);
    const other = connect(server);

    flood.socket.write(
      names(1 + maxPipelined)
        .map(post)
        .join(""),
    );
    await started;
    other.socket.write(post("c7"));
    expect(flood.socket.destroyed).to.equal(false);
    flood.socket.write(names(500).map(post).join(""));
    await flood.closed;
    release();

    await until("the other is answered", async () => other.answered().length === 1);
    expect(flood.answered()).to.deep.equal([]);
    expect(errors.map(String)).to.deep.equal([
      `Error: more than ${maxPipelined} requests wait for the response of another`,
    ]);
    expect(await server.drain(60_000)).to.deep.equal({ forced: 0 });
  });

  it("ends with the running request when the server shuts down", async () => {
    const { service, started, release } = pendingHandler();
    const server = await transport.start({ service });
    const { socket, answered, closed } = connect(server);
    socket.write(names(3).map(post).join(""));
    await started;

    const drained = server.drain(60_000);
    release();

    expect(await drained).to.deep.equal({ forced: 0 });
    await closed;
    expect(answered()).to.deep.equal(["c0"]);
  });
});
