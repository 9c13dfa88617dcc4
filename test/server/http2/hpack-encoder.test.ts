import { expect } from "chai";
import { HpackDecoder } from "../../../src/server/http2/hpack-decoder.ts";
import {
  type EncodingOptions,
  encodeHeaders,
  HpackEncoder,
} from "../../../src/server/http2/hpack-encoder.ts";

function write(encoder: HpackEncoder, raw: readonly string[], options?: EncodingOptions): Buffer {
  const headers = encodeHeaders(raw, options);
  const out = Buffer.alloc(1 + encoder.maxBytes(headers));
  return out.subarray(1, encoder.write(headers, out, 1));
}

const ok = [":status", "200", "content-type", "application/grpc", "x-many", "1"];
const options = { indexed: ["content-type"] };

describe("HPACK encoder", () => {
  it("indexes a field at its first use, and then sends one octet for it", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder({
      ...{ tableSize: 4096, maxListSize: 1000, maxFields: 10, memoEntries: 0 },
    });
    const lengths: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const block = write(encoder, ok, options);
      lengths.push(block.length);
      expect(decoder.decode(block, 0, block.length)?.raw).to.deep.equal(ok);
    }
    expect(lengths).to.deep.equal([29, 12, 12]);
  });
});
