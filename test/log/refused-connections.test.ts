import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import { startTestApp, type TestApp } from "../support/app.ts";
import { encodeFrame, frameType, RawHttp2 } from "../support/raw-http2.ts";
import { until } from "../support/until.ts";

const WARN = 40;

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly count: number;
  readonly open: number;
  readonly peer?: string;
}

describe("the log of refused connections", () => {
  let app: TestApp;
  let lines: Line[];
  let sockets: net.Socket[];

  beforeEach(async () => {
    lines = [];
    sockets = [];
    app = await startTestApp({
      env: { SESSIOND_MAX_CONNECTIONS: "2", SESSIOND_MAX_CONNECTIONS_PER_PEER: "1" },
      onLog(text) {
        const line = JSON.parse(text) as Line;
        if (line.msg.startsWith("connections are refused")) lines.push(line);
      },
    });
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await app.stop();
  });

  function connect(localAddress: string): net.Socket {
    const { port, host } = app.app.server;
    const socket = net.connect({ port, host, localAddress });
    sockets.push(socket);
    socket.on("error", () => {});
    return socket;
  }

  async function refused(localAddress: string): Promise<void> {
    await once(connect(localAddress), "close");
  }

  it("warns of each limit, and names its setting", async () => {
    await once(connect("127.0.0.1"), "connect");
    await refused("127.0.0.1");
    await once(connect("127.0.0.2"), "connect");
    await refused("127.0.0.3");

    await until("both are logged", async () => lines.length === 2);
    const [ofPeer, ofAll] = lines;
    expect(ofPeer).to.include({ level: WARN, count: 1, open: 1, peer: "127.0.0.1" });
    expect(ofPeer?.msg).to.match(/ SESSIOND_MAX_CONNECTIONS_PER_PEER$/);
    expect(ofAll).to.include({ level: WARN, count: 1, open: 2 });
    expect(ofAll?.msg).to.match(/ SESSIOND_MAX_CONNECTIONS$/);
  });

  it("counts what is refused within ten seconds", async () => {
    await once(connect("127.0.0.1"), "connect");
    for (let i = 0; i < 3; i += 1) await refused("127.0.0.1");
    await app.app.stop();
    expect(lines.map(({ count }) => count)).to.deep.equal([1, 2]);
  });
});

describe("the log of connections that are ended with ENHANCE_YOUR_CALM", () => {
  it("warns of the first, and counts the others", async () => {
    const lines: (Line & { readonly reason: string })[] = [];
    const app = await startTestApp({
      onLog(text) {
        if (text.includes("ENHANCE_YOUR_CALM")) lines.push(JSON.parse(text));
      },
    });
    try {
      const { port } = app.app.server;
      for (const localAddress of ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
        const flood = await RawHttp2.open({ port, localAddress });
        const ping = encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8));
        flood.write(...Array.from({ length: 1500 }, () => ping));
        await flood.closed;
      }
      await until("the first is logged", async () => lines.length > 0);
    } finally {
      await app.stop();
    }
    const expected = { level: WARN, reason: "too many PING frames without progress" };
    expect(lines).to.have.length(2);
    expect(lines[0]).to.include({ ...expected, count: 1, peer: "127.0.0.1" });
    expect(lines[1]).to.include({ ...expected, count: 2, peer: "127.0.0.3" });
  });
});
