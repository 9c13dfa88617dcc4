import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect } from "chai";
import { Connections } from "../../src/server/connections.ts";

class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly remoteAddress: string;
  readonly remotePort: number;

  constructor(remoteAddress: string, remotePort: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

describe("connections", () => {
  let port = 0;

  function create(maxConnections: number, maxConnectionsPerPeer: number) {
    const refused: unknown[] = [];
    const connections = new Connections({
      maxConnections,
      maxConnectionsPerPeer,
      onRefused: (limit) => refused.push(limit),
    });
    const connect = (address: string) => {
      port += 1;
      const socket = new FakeSocket(address, port);
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

  it("closes no connection that serves a request", () => {
    const { connect, connections, refused } = create(2, 2);
    const sockets = [connect("192.0.2.1").socket, connect("192.0.2.1").socket];
    for (const socket of sockets) connections.requestCount(socket).requests += 1;
    expect(connect("192.0.2.2").accepted).to.equal(false);
    expect(refused).to.deep.equal(["maxConnections"]);
    connections.requestCount(sockets[1] as FakeSocket).requests -= 1;
    expect(connect("192.0.2.2").accepted).to.equal(true);
    expect(sockets.map(({ destroyed }) => destroyed)).to.deep.equal([false, true]);
  });
});
