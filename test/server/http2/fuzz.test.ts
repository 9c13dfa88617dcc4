import { expect } from "chai";
import { Stream } from "../../../src/server/http2/stream.ts";
import {
  encodeFrame,
  flag,
  frameType,
  grpcHeaders,
  hpackLiterals,
  preface,
  settingsFrame,
  uint32,
} from "../../support/raw-http2.ts";
import { failureOf } from "../../support/transport.ts";
import { type Conversation, deserialize, type Step, serialize } from "./fuzz/conversation.ts";
import { FuzzError, fuzz } from "./fuzz/fuzz.ts";
import { OutputChecker } from "./fuzz/output-checker.ts";
import { play } from "./fuzz/play.ts";

const send = (...bytes: readonly Uint8Array[]): Step => ({
  kind: "send",
  bytes: Buffer.concat(bytes),
});
const turns = (count = 1): Step => ({ kind: "turns", count });
const requestFrame = (id: number, flags = flag.endHeaders | flag.endStream) =>
  encodeFrame(frameType.headers, flags, id, hpackLiterals(grpcHeaders("/a")));

/** The same with many seeds, so that the server does everything that it may do with a request. */
async function playOften(steps: readonly Step[]): Promise<void> {
  for (let seed = 0; seed < 60; seed += 1) await play({ seed, steps });
}

describe("the HTTP/2 engine under made-up conversations", () => {
  it("does nothing wrong", async () => {
    const { requests, responses } = await fuzz({ seed: 1, conversations: 150 });
    expect(requests).to.be.above(50);
    expect(responses).to.be.above(20);
  });

  it("keeps a conversation for a replay", async () => {
    const conversation: Conversation = {
      seed: 7,
      steps: [send(preface, settingsFrame([])), turns(2), { kind: "read", reads: false }],
    };
    expect(deserialize(serialize(conversation))).to.deep.equal(conversation);
  });

  describe("that have found a defect", () => {
    it("follows a header table that shrinks and grows in one SETTINGS frame", () =>
      playOften([
        send(preface, settingsFrame([]), requestFrame(1), requestFrame(3)),
        turns(4),
        send(
          settingsFrame([
            [1, 0],
            [1, 4096],
          ]),
          requestFrame(5),
          requestFrame(7),
        ),
        turns(4),
      ]));

    it("never raises the last stream of a GOAWAY", () =>
      playOften([
        send(preface, settingsFrame([]), requestFrame(1, flag.endHeaders)),
        turns(),
        { kind: "drain" },
        { kind: "tick", ms: 1500 },
        turns(2),
        send(requestFrame(3)),
        { kind: "destroy" },
      ]));

    it("reports a wrong preface once, whatever follows", () =>
      playOften([send(Buffer.alloc(100, "x")), turns(), send(Buffer.alloc(100, "x"))]));
  });

  describe("finds defects:", () => {
    const defects: Record<string, () => () => void> = {
      "it gives back more than the client has sent": () =>
        replace(
          Stream.prototype,
          "consume",
          (consume) =>
            function (this: Stream, bytes: number) {
              consume.call(this, bytes);
              this.connection.sendCredit(this, 100_000);
            },
        ),
      onError: () =>
        replace(Stream.prototype, "end", () => () => {
          throw new Error("a defect");
        }),
      "onData after the last part": () =>
        replace(
          Stream.prototype,
          "deliver",
          (deliver) =>
            function (this: Stream, ...part: Parameters<Stream["deliver"]>) {
              deliver.apply(this, part);
              if (part[3]) this.receiver?.onData(...part);
            },
        ),
    };
    for (const [what, introduce] of Object.entries(defects)) {
      it(what, async () => {
        const repair = introduce();
        try {
          expect(await failureOf(fuzz({ seed: 1, conversations: 400 }))).to.be.instanceof(
            FuzzError,
          );
        } finally {
          repair();
        }
      });
    }
  });
});

/** Replaces a method, and returns what puts it back. */
function replace<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  by: (original: T[K]) => T[K],
): () => void {
  const original = prototype[name];
  prototype[name] = by(original);
  return () => {
    prototype[name] = original;
  };
}

describe("the checker of the engine's output", () => {
  const settings = settingsFrame([]);
  const headers = (
    id: number,
    raw: readonly [string, string][] = [[":status", "200"]],
    flags = 4,
  ) => encodeFrame(frameType.headers, flags, id, hpackLiterals(raw));
  const data = (id: number, length: number, flags = 0) =>
    encodeFrame(frameType.data, flags, id, Buffer.alloc(length));
  const goAway = (last: number, code = 0) =>
    encodeFrame(frameType.goaway, 0, 0, Buffer.concat([uint32(last), uint32(code)]));

  function checker(...input: readonly Uint8Array[]): OutputChecker {
    const made = new OutputChecker();
    made.input(Buffer.concat([preface, settings, requestFrame(1), ...input]));
    return made;
  }

  it("accepts a response", () => {
    const made = checker(encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)));
    const ack = encodeFrame(frameType.settings, flag.ack, 0);
    const pong = encodeFrame(frameType.ping, flag.ack, 0, Buffer.alloc(8));
    const interim = headers(1, [[":status", "103"]]);
    const trailers = headers(1, [["grpc-status", "0"]], 5);
    made.output(Buffer.concat([settings, ack, pong, interim, headers(1), data(1, 100), trailers]));
    made.output(goAway(1));
    made.end();
    expect(made.responses.get(1)).to.deep.equal([
      [[":status", "103"]],
      [[":status", "200"]],
      [["grpc-status", "0"]],
    ]);
  });

  const wrong: Record<string, readonly Uint8Array[]> = {
    "the first frame is not SETTINGS": [headers(1)],
    "comes before the headers": [settings, data(1, 1)],
    "has not opened the stream": [settings, headers(3)],
    "more than the window of the connection": [
      settings,
      headers(1),
      ...Array.from({ length: 4 }, () => data(1, 16_384)),
    ],
    "the response has ended": [settings, headers(1, [[":status", "200"]], 5), data(1, 1)],
    "it has no :status": [settings, headers(1, [["a", "b"]])],
    "they are no trailers": [settings, headers(1), headers(1)],
    "no field with the index": [
      settings,
      encodeFrame(frameType.headers, 4, 1, Buffer.of(0x80 | 62)),
    ],
    "acknowledges no SETTINGS": [
      settings,
      ...Array.from({ length: 2 }, () => encodeFrame(frameType.settings, flag.ack, 0)),
    ],
    "answers no PING": [settings, encodeFrame(frameType.ping, flag.ack, 0, Buffer.alloc(8))],
    "above that of an earlier one": [settings, goAway(1), goAway(3)],
    "after GOAWAY with an error": [settings, goAway(1, 1), headers(1)],
    "gives back more": [settings, encodeFrame(frameType.windowUpdate, 0, 1, uint32(1))],
    "a server does not send it": [settings, encodeFrame(5, 4, 1, Buffer.alloc(4))],
    "it is larger than": [settings, headers(1), data(1, 16_385)],
  };
  for (const [message, frames] of Object.entries(wrong)) {
    it(`finds: ${message}`, () => {
      const made = checker();
      expect(() => {
        for (const frame of frames) made.output(Buffer.from(frame));
      }).to.throw(message);
    });
  }

  it("finds output that ends within a frame or header block", () => {
    const cut = checker();
    cut.output(settings.subarray(0, 5));
    expect(() => cut.end()).to.throw("within a frame");
    const open = checker();
    open.output(Buffer.concat([settings, headers(1, [[":status", "200"]], 0)]));
    expect(() => open.end()).to.throw("within a header block");
    expect(() => open.output(data(1, 1))).to.throw("a header block is interrupted");
  });

  it("finds a header table that does not follow the client's", () => {
    const made = checker(settingsFrame([[1, 0]]), requestFrame(3));
    made.output(Buffer.concat([settings, headers(1)]));
    made.output(encodeFrame(frameType.settings, flag.ack, 0));
    made.output(encodeFrame(frameType.settings, flag.ack, 0));
    expect(() => made.output(headers(3))).to.throw("no table size update");
  });
});
