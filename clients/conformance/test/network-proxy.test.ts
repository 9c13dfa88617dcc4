import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { expect } from "chai";
import { until } from "../../../test/support/until.ts";
import { type NetworkProxy, startNetworkProxy } from "../network-proxy.ts";

describe("conformance: network proxy", () => {
  const sockets = new Set<net.Socket>();
  const servers: net.Server[] = [];
  let first: string;
  let proxy: NetworkProxy;

  /** A server that puts its name before what it is sent. */
  async function serve(name: string): Promise<string> {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (data) => socket.write(`${name}:${data}`));
    });
    servers.push(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function connect(url = proxy.url) {
    const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
    sockets.add(socket);
    const state = { received: "", closed: false, connected: false, socket };
    socket.on("error", () => {});
    socket.on("connect", () => {
      state.connected = true;
    });
    socket.on("data", (data) => {
      state.received += data;
    });
    socket.on("close", () => {
      state.closed = true;
    });
    return state;
  }

  const isAnswered = (state: ReturnType<typeof connect>, answer: string) =>
    until(`the answer ${answer}`, async () => state.received === answer);
  const isClosed = (state: ReturnType<typeof connect>) =>
    until("the connection is closed", async () => state.closed);

  beforeEach(async () => {
    first = await serve("first");
    proxy = await startNetworkProxy(first);
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await proxy.close();
    for (const server of servers.splice(0)) server.close();
  });

  it("passes everything on", async () => {
    const connection = connect();
    connection.socket.write("a");
    await isAnswered(connection, "first:a");
  });

  it("refuses new connections and closes old ones", async () => {
    const old = connect();
    old.socket.write("a");
    await isAnswered(old, "first:a");
    proxy.set("refuse");
    await isClosed(old);
    await isClosed(connect());
    proxy.set("pass");
    const connection = connect();
    connection.socket.write("b");
    await isAnswered(connection, "first:b");
  });

  it("stalls: connections stay open, and nothing gets through", async () => {
    const old = connect();
    old.socket.write("a");
    await isAnswered(old, "first:a");
    proxy.set("stall");
    old.socket.write("b");
    const connection = connect();
    connection.socket.write("c");
    await until("it is connected", async () => connection.connected);
    // Another connection's answer has come meanwhile.
    const direct = connect(first);
    direct.socket.write("d");
    await isAnswered(direct, "first:d");
    expect([old.closed, old.received]).to.deep.equal([false, "first:a"]);
    expect([connection.closed, connection.received]).to.deep.equal([false, ""]);
    proxy.set("pass");
    await isClosed(old);
    await isClosed(connection);
  });

  it("leads to another server, and cuts what leads to the first", async () => {
    const old = connect();
    old.socket.write("a");
    await isAnswered(old, "first:a");
    proxy.leadTo(await serve("second"));
    await isClosed(old);
    const connection = connect();
    connection.socket.write("b");
    await isAnswered(connection, "second:b");
    proxy.cut();
    await isClosed(connection);
  });
});
