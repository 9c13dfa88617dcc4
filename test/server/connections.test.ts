import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect } from "chai";
import { Connections } from "../../src/server/connections.ts";

class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;

  constructor(remoteAddress: string, remotePort: number, localAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.localAddress = localAddress;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

describe("connections (F13)", () => {
  let lastPort = 0;

  function newPort(): number {
    lastPort += 1;
    return lastPort;
  }

  function create(maxConnections: number, maxConnectionsPerPeer: number) {
    const refused: unknown[] = [];
    const connections = new Connections({
      maxConnections,
      maxConnectionsPerPeer,
      onRefused: ({ limit }) => refused.push(limit),
    });
    /** The client uses a new port for each connection, unless `port` is given. */
    const connect = (address: string, { port = newPort(), localAddress = "198.51.100.1" } = {}) => {
      const socket = new FakeSocket(address, port, localAddress);
      const accepted = connections.accept(socket as unknown as Socket);
      expect(socket.destroyed).to.equal(!accepted);
      return { accepted, socket };
    };
    return { connections, connect, refused };
  }

  const samePeer: readonly (readonly [string, string])[] = [
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1", "::ffff:192.0.2.1"],
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff:0:0:1"],
    ["2001:db8::1", "2001:db8:0:0:1::"],
    ["fe80::1%eth0", "fe80::2%eth0"],
  ];
  for (const [first, second] of samePeer) {
    it(`counts ${first} and ${second} as one peer`, () => {
      const { connect, refused } = create(10, 1);
      expect([connect(first).accepted, connect(second).accepted]).to.deep.equal([true, false]);
      expect(refused).to.deep.equal(["maxConnectionsPerPeer"]);
    });
  }

  const otherPeers: readonly (readonly [string, string])[] = [
    ["192.0.2.1", "192.0.2.2"],
    ["2001:db8:1:2::1", "2001:db8:1:3::1"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.2"],
  ];
  for (const [first, second] of otherPeers) {
    it(`counts ${first} and ${second} as two peers`, () => {
      const { connect } = create(10, 1);
      expect([connect(first).accepted, connect(second).accepted]).to.deep.equal([true, true]);
    });
  }

  it("counts a connection until it is closed", () => {
    const { connect, connections } = create(10, 1);
    const { socket } = connect("192.0.2.1");
    expect(connections.sockets).to.deep.equal([socket]);
    socket.emit("close");
    expect(connections.sockets).to.deep.equal([]);
    expect(connect("192.0.2.1").accepted).to.equal(true);
  });

  it("tells connections apart that a client has from one port to two addresses of the server", () => {
    const { connect, connections } = create(2, 2);
    const { socket: busy } = connect("192.0.2.1", { port: 1 });
    const { socket: idle } = connect("192.0.2.1", { port: 1, localAddress: "198.51.100.2" });
    expect(connections.sockets).to.deep.equal([busy, idle]);

    connections.countRequests(busy, () => 1);
    expect(connect("192.0.2.2").accepted).to.equal(true);
    expect([busy.destroyed, idle.destroyed]).to.deep.equal([false, true]);
  });

  it("shares what there is among the peers that want it", () => {
    const { connect } = create(6, 6);
    const first = Array.from({ length: 6 }, () => connect("192.0.2.1").socket);

    const second = Array.from({ length: 4 }, () => connect("192.0.2.2"));

    expect(second.map(({ accepted }) => accepted)).to.deep.equal([true, true, true, false]);
    expect(first.map(({ destroyed }) => destroyed)).to.deep.equal([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it("takes an idle connection of another peer if the one with the most has none", () => {
    const { connect, connections } = create(5, 3);
    const busy = Array.from({ length: 3 }, () => connect("192.0.2.1").socket);
    for (const socket of busy) connections.countRequests(socket, () => 1);
    const idle = Array.from({ length: 2 }, () => connect("192.0.2.2").socket);

    expect(connect("192.0.2.3").accepted).to.equal(true);
    expect(idle.map(({ destroyed }) => destroyed)).to.deep.equal([true, false]);
    // The second peer has no more than the third now.
    expect(connect("192.0.2.4").accepted).to.equal(false);
  });

  it("closes no connection that serves a request", () => {
    const { connect, connections, refused } = create(2, 2);
    const sockets = [connect("192.0.2.1").socket, connect("192.0.2.1").socket];
    for (const socket of sockets) connections.countRequests(socket, () => 1);
    expect(connect("192.0.2.2").accepted).to.equal(false);
    expect(refused).to.deep.equal(["maxConnections"]);
    connections.countRequests(sockets[1] as FakeSocket, () => 0);
    expect(connect("192.0.2.2").accepted).to.equal(true);
    expect(sockets.map(({ destroyed }) => destroyed)).to.deep.equal([false, true]);
  });
});
