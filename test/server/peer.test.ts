import type { Socket } from "node:net";
import { expect } from "chai";
import { networkOf, peerOfSocket } from "../../src/server/peer.ts";

const peers: readonly (readonly [remoteAddress: string, address: string, network: string])[] = [
  ["192.0.2.1", "192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:ffff::1", "2001:db8:1:2:ffff::1", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8::1", "2001:db8:0:0"],
  ["::1", "::1", "0:0:0:0"],
  ["fe80::1%eth0", "fe80::1%eth0", "fe80:0:0:0"],
];

describe("peers", () => {
  for (const [remoteAddress, address, network] of peers) {
    it(`counts ${remoteAddress} as ${network}`, () => {
      const peer = peerOfSocket({ remoteAddress } as Socket);
      expect(peer).to.include({ address, network });
    });
  }

  it("counts closed connections as one peer, without an address", () => {
    expect(networkOf(undefined)).to.equal("");
  });
});
