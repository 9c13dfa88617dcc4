import { expect } from "chai";
import { type CpuProfile, moduleTimes, sharesOf } from "../../bench/profile-shares.ts";

const ROOT = "/srv/sessiond";

function node(id: number, functionName: string, url: string, children: number[] = []) {
  return { id, callFrame: { functionName, url }, children };
}

/** One sample of each node in the order of ids, 10 µs each. */
function profileOf(nodes: CpuProfile["nodes"]): CpuProfile {
  const samples = nodes.map(({ id }) => id);
  return { nodes, startTime: 1000, samples, timeDeltas: samples.map(() => 10) };
}

const PROFILE = profileOf([
  node(1, "(root)", "", [2, 3, 5, 6, 7]),
  node(2, "(idle)", ""),
  node(3, "write", "node:internal/stream_base_commons", [4]),
  node(4, "writeBuffer", ""),
  node(5, "(garbage collector)", ""),
  node(6, "validate", `file://${ROOT}/src/session/authenticator.ts`, [8]),
  node(7, "parse", `file://${ROOT}/node_modules/@scope/name/dist/index.js`),
  node(8, "read", `file://${ROOT}/node_modules/pg/lib/client.js`),
]);
const ALWAYS = { from: 0, to: Infinity };

describe("the benchmark's profile", () => {
  it("has busy times by file and package, native code with its caller", () => {
    expect([...moduleTimes([PROFILE], ALWAYS, ROOT)]).to.deep.equal([
      ["(program)", 10],
      ["node:internal/stream_base_commons", 20],
      ["(garbage collector)", 10],
      ["src/session/authenticator.ts", 10],
      ["@scope/name", 10],
      ["pg", 10],
    ]);
  });

  it("leaves out what ran before and after", () => {
    const interval = { from: 1055, to: 1065 };
    expect([...moduleTimes([PROFILE], interval, ROOT)]).to.deep.equal([
      ["src/session/authenticator.ts", 10],
    ]);
  });

  it("adds the times of all processes", () => {
    const times = moduleTimes([PROFILE, PROFILE], ALWAYS, ROOT);
    expect(times.get("node:internal/stream_base_commons")).to.equal(40);
  });

  it("has a share of the busy time for each purpose, in an order that does not change", () => {
    const shares = sharesOf(
      new Map([
        ["src/server/http2/frames.ts", 30],
        ["src/server/unary-method.ts", 5],
        ["node:internal/http2/core", 10],
        ["pg", 10],
        ["src/storage/pg/batcher.ts", 10],
        ["src/session/mac-key.ts", 5],
        ["node:internal/crypto/hash", 5],
        ["gen/es/a_pb.ts", 2],
        ["src/server/envelope-encoder.ts", 1],
        ["src/rpc/encodable-validate-response.ts", 1],
        ["src/wire/message-writer.ts", 1],
        ["src/session/authenticator.ts", 5],
        ["node:internal/timers", 5],
        ["(garbage collector)", 5],
        ["express", 5],
      ]),
    );
    expect(shares.map(({ share }) => share)).to.deep.equal([
      0.05, 0.3, 0.1, 0.05, 0.05, 0.2, 0.1, 0.05, 0.05, 0.05,
    ]);
    expect(shares[0]?.purpose).to.equal("garbage collection");
    expect(shares.at(-1)?.purpose).to.equal("the rest");
    expect(shares.map(({ share }) => share).reduce((a, b) => a + b)).to.be.closeTo(1, 1e-9);
  });
});
