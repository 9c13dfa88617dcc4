import { expect } from "chai";
import fc from "fast-check";
import { FrameReader } from "../../../src/server/http2/frame-reader.ts";
import { ErrorCode, PREFACE } from "../../../src/server/http2/frames.ts";
import { encodeFrame } from "../../support/raw-http2.ts";

/** A frame as text. */
function tell(type: number, flags: number, streamId: number, payload: Uint8Array): string {
  return `${type} ${flags} ${streamId} ${Buffer.from(payload).toString("hex")}`;
}

function read(chunks: readonly Buffer[]): string[] {
  const frames: string[] = [];
  const reader = new FrameReader(({ type, flags, streamId, buffer, start, end }) => {
    frames.push(tell(type, flags, streamId, buffer.subarray(start, end)));
  });
  for (const chunk of chunks) reader.read(chunk);
  return frames;
}

describe("HTTP/2 frame reader", () => {
  it("finds the frames wherever what arrives is cut", () => {
    const frame = fc.record({
      type: fc.constantFrom(0, 9, 0xbb),
      flags: fc.constantFrom(0, 1, 4),
      streamId: fc.integer({ min: 1, max: 0x7fff_ffff }),
      payload: fc.uint8Array({ maxLength: 300, size: "max" }),
    });
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 10 }), cuts, (frames, places) => {
        const bytes = Buffer.concat([
          PREFACE,
          ...frames.map((f) => encodeFrame(f.type, f.flags, f.streamId, f.payload)),
        ]);
        const at = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
        const chunks = [0, ...at].map((start, index) => bytes.subarray(start, at[index]));
        const expected = frames.map((f) => tell(f.type, f.flags, f.streamId, f.payload));
        expect(read(chunks)).to.deep.equal(expected);
        expect(read([...bytes].map((byte) => Buffer.of(byte)))).to.deep.equal(expected);
      }),
    );
  });

  it("ignores the reserved bit of stream ids", () => {
    const bytes = encodeFrame(0, 0, 0xffff_ffff);
    expect(read([PREFACE, bytes])).to.deep.equal([tell(0, 0, 0x7fff_ffff, Buffer.alloc(0))]);
  });

  it("passes frames on without copying them, if they are whole in a chunk", () => {
    const bytes = Buffer.concat([PREFACE, encodeFrame(0, 0, 1, Buffer.from("abc"))]);
    let same = false;
    const reader = new FrameReader(({ buffer }) => {
      same = buffer === bytes;
    });
    reader.read(bytes);
    expect(same).to.equal(true);
  });

  it("takes no more memory for a part of a frame than twice what has come", () => {
    const before = process.memoryUsage().arrayBuffers;
    const head = encodeFrame(0, 0, 1, Buffer.alloc(16_384)).subarray(0, 10);
    const readers = Array.from({ length: 1000 }, () => new FrameReader(() => {}));
    for (const reader of readers) {
      reader.read(Buffer.concat([PREFACE, head]));
      reader.read(Buffer.alloc(60));
    }
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(1_000_000);
    expect(readers).to.have.length(1000);
  });

  it("tells since when a part waits", () => {
    const reader = new FrameReader(() => {});
    const bytes = encodeFrame(0, 0, 1, Buffer.from("abc"));
    reader.read(PREFACE);
    expect(reader.partSince).to.equal(undefined);
    reader.read(bytes.subarray(0, 10));
    const since = reader.partSince;
    expect(since).to.be.a("number");
    reader.read(bytes.subarray(10, 11));
    expect(reader.partSince).to.equal(since);
    reader.read(bytes.subarray(11));
    expect(reader.partSince).to.equal(undefined);
  });

  it("passes nothing on after it was stopped, also of the same chunk", () => {
    let count = 0;
    const reader = new FrameReader(() => {
      count += 1;
      reader.stop();
    });
    const bytes = encodeFrame(0, 0, 1, Buffer.from("abc"));
    reader.read(Buffer.concat([PREFACE, bytes, bytes, bytes.subarray(0, 3)]));
    reader.read(bytes);
    expect(count).to.equal(1);
  });

  it("refuses a frame by its head, before the rest has come", () => {
    const reader = new FrameReader(() => {});
    reader.read(PREFACE);
    const head = Buffer.from([0, 0x40, 0x01, 0, 0, 0, 0, 0, 1]);
    expect(() => {
      for (const byte of head) reader.read(Buffer.of(byte));
    })
      .to.throw("larger than 16384 octets")
      .with.property("code", ErrorCode.FRAME_SIZE_ERROR);
  });
});
