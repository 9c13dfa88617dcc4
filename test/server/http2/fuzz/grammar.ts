import {
  encodeFrame,
  flag,
  frameType,
  hpackLiterals,
  hpackReference,
  preface,
  settingsFrame,
  uint32,
} from "../../../support/raw-http2.ts";
import type { Conversation, Step } from "./conversation.ts";
import type { Random } from "./random.ts";

const PRIORITY = 2;
const PUSH_PROMISE = 5;
const PADDED = 0x8;
const WITH_PRIORITY = 0x20;

const MAX_STEPS = 60;

/** The index of the newest field of the dynamic table. */
const FIRST_DYNAMIC = 62;

/** Near where something changes: limits, windows, sizes of frames. */
const INTERESTING = [
  0, 1, 2, 5, 8, 9, 100, 127, 128, 4095, 4096, 4097, 16_383, 16_384, 16_385, 65_534, 65_535, 65_536,
  0xff_ffff, 0x100_0000, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

/** Makes up conversations that mostly follow the protocol. */
export function makeConversation(random: Random): Conversation {
  return { seed: random.uint32(), steps: new Maker(random).make() };
}

class Maker {
  readonly #random: Random;
  readonly #steps: Step[] = [];
  #nextId = 1;
  /** Streams whose side of the client has not ended, and all. */
  readonly #open: number[] = [];
  /** The fields in the dynamic table, the newest first. */
  readonly #table: string[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  make(): Step[] {
    const random = this.#random;
    if (!random.oneIn(50)) this.#send(preface);
    if (!random.oneIn(50)) this.#settings();
    const count = random.between(1, 25);
    for (let index = 0; index < count; index += 1) this.#anything();
    return this.#steps;
  }

  #send(...bytes: readonly Uint8Array[]): void {
    this.#steps.push({ kind: "send", bytes: Buffer.concat(bytes) });
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    const random = this.#random;
    const frame = encodeFrame(type, flags, id, payload);
    if (random.oneIn(200)) frame[random.below(9)] = random.below(256);
    this.#send(frame);
  }

  #anything(): void {
    const random = this.#random;
    const choice = random.below(100);
    if (choice < 35) this.#request();
    else if (choice < 50) this.#continueRequest();
    else if (choice < 57) this.#windowUpdate();
    else if (choice < 62) this.#settings();
    else if (choice < 65) this.#frame(frameType.settings, flag.ack, 0, Buffer.of());
    else if (choice < 69) this.#reset();
    else if (choice < 72) this.#frame(frameType.ping, random.below(2), 0, random.bytes(8));
    else if (choice < 74) this.#frame(PRIORITY, 0, this.#anyId(), random.bytes(5));
    else if (choice < 75) this.#frame(frameType.goaway, 0, 0, random.bytes(8));
    else if (choice < 76) this.#unknown();
    else if (choice < 77) this.#flood();
    else if (choice < 89) this.#steps.push({ kind: "turns", count: random.between(1, 3) });
    else if (choice < 93) this.#steps.push({ kind: "read", reads: random.oneIn(2) });
    else if (choice < 97) this.#steps.push({ kind: "tick", ms: random.pick([1000, 1000, 5000]) });
    else if (choice < 98) this.#steps.push({ kind: "drain" });
    else if (choice < 99)
      this.#steps.push({ kind: random.oneIn(4) ? "destroy" : "turns", count: 1 });
    else if (random.oneIn(4)) this.#steps.push({ kind: "end" });
  }

  #anyId(): number {
    const random = this.#random;
    if (random.oneIn(8)) return random.pick([0, 2, this.#nextId, ...INTERESTING]) >>> 0;
    return Math.max(1, this.#nextId - 2 * random.between(1, 6));
  }

  #request(): void {
    const random = this.#random;
    const id = random.oneIn(60) ? this.#anyId() : this.#nextId;
    if (id === this.#nextId) this.#nextId += 2;
    const ends = random.oneIn(3);
    this.#headers(id, this.#requestHead(), ends);
    if (ends) return;
    this.#open.push(id);
    for (let parts = random.below(4); parts > 0; parts -= 1) this.#data(id, parts === 1);
  }

  #continueRequest(): void {
    const random = this.#random;
    if (this.#open.length === 0) return;
    const id = random.pick(this.#open);
    if (random.oneIn(5)) {
      const trailers = random.oneIn(6) ? this.#requestHead() : this.#fields([["x-sum", "1"]]);
      this.#headers(id, trailers, !random.oneIn(20));
    } else this.#data(id, random.oneIn(3));
  }

  #data(id: number, last: boolean): void {
    const random = this.#random;
    const length = random.pick([0, 1, 5, 100, 1000, 16_384, random.below(16_384)]);
    const padding = random.oneIn(4) ? random.below(256) : undefined;
    const flags = (last ? flag.endStream : 0) | (padding === undefined ? 0 : PADDED);
    this.#frame(frameType.data, flags, id, padded(Buffer.alloc(length, "d"), padding));
  }

  #headers(id: number, block: Buffer, last: boolean): void {
    const random = this.#random;
    const padding = random.oneIn(5) ? random.below(256) : undefined;
    const priority = random.oneIn(6) ? random.bytes(5) : undefined;
    let first = block;
    const rest: Buffer[] = [];
    while (random.oneIn(6) && rest.length < 10) {
      const cut = random.below(first.length + 1);
      rest.unshift(first.subarray(cut));
      first = first.subarray(0, cut);
    }
    const flags =
      (last ? flag.endStream : 0) |
      (rest.length === 0 ? flag.endHeaders : 0) |
      (padding === undefined ? 0 : PADDED) |
      (priority === undefined ? 0 : WITH_PRIORITY);
    const content = Buffer.concat([priority ?? Buffer.of(), first]);
    this.#frame(frameType.headers, flags, id, padded(content, padding));
    for (const [index, part] of rest.entries()) {
      const end = index === rest.length - 1 && !random.oneIn(40) ? flag.endHeaders : 0;
      this.#frame(frameType.continuation, end, id, part);
    }
  }

  #requestHead(): Buffer {
    const random = this.#random;
    const fields: [string, string][] = [
      [":method", random.oneIn(30) ? "CONNECT" : random.pick(["POST", "GET"])],
      [":scheme", "http"],
      [":path", `/${random.below(4)}`],
      [":authority", "fuzz.test"],
    ];
    if (random.oneIn(3))
      fields.push(["content-length", String(random.pick([0, 1, 5, 100, 16_384]))]);
    if (random.oneIn(4)) fields.push(["te", random.oneIn(10) ? "gzip" : "trailers"]);
    if (random.oneIn(4))
      fields.push([random.pick(["x-a", "cookie", "x-long"]), "v".repeat(random.below(300))]);
    if (random.oneIn(30)) fields.push(["x-large", "v".repeat(random.pick([4000, 9000, 20_000]))]);
    if (random.oneIn(40)) fields.push(random.pick(BAD_FIELDS));
    if (random.oneIn(40)) fields.splice(random.below(fields.length), 1);
    if (random.oneIn(40)) fields.reverse();
    if (random.oneIn(40))
      fields.push(...Array.from({ length: 140 }, (): [string, string] => ["x", "y"]));
    return this.#fields(fields);
  }

  #fields(fields: readonly [string, string][]): Buffer {
    const random = this.#random;
    const parts = fields.map((field) => {
      const key = field.join(": ");
      const known = this.#table.indexOf(key);
      if (random.oneIn(100)) return hpackReference(random.pick([0, 1, 61, 62, 63, 70, 100]));
      if (known !== -1 && !random.oneIn(4)) return hpackReference(FIRST_DYNAMIC + known);
      const index = random.oneIn(3) && key.length < 100 && this.#table.length < 30;
      if (index) this.#table.unshift(key);
      return hpackLiterals([field], { index });
    });
    if (random.oneIn(60)) parts.unshift(Buffer.of(0x20 | random.pick([0, 1, 30])));
    if (random.oneIn(20)) parts.push(HUFFMAN_LITERAL);
    if (random.oneIn(40)) parts.push(random.bytes(random.between(1, 8)));
    return Buffer.concat(parts);
  }

  #windowUpdate(): void {
    const random = this.#random;
    const id = random.oneIn(2) ? 0 : this.#anyId();
    const bytes = random.oneIn(8) ? random.pick(INTERESTING) : random.between(1, 100_000);
    this.#frame(frameType.windowUpdate, 0, id, uint32(bytes));
  }

  #settings(): void {
    const random = this.#random;
    const settings = Array.from({ length: random.below(4) }, (): [number, number] => {
      if (random.oneIn(10)) return [random.below(10), random.pick(INTERESTING)];
      return random.pick([
        [1, random.pick([0, 50, 4096, 65_536])],
        [2, 0],
        [3, 100],
        [4, random.pick([0, 1, 1000, 65_535, 1_000_000, 0x7fff_ffff])],
        [5, random.pick([16_384, 65_536])],
        [6, 10_000],
      ]);
    });
    const frame = settingsFrame(settings);
    this.#frame(frameType.settings, 0, 0, frame.subarray(9));
  }

  #reset(): void {
    this.#frame(frameType.rstStream, 0, this.#anyId(), uint32(this.#random.below(14)));
  }

  #unknown(): void {
    const random = this.#random;
    const type = random.pick([PUSH_PROMISE, 10, 11, 200]);
    this.#frame(type, random.below(256), this.#anyId(), random.bytes(random.below(40)));
  }

  /** The same frame again and again, which some budget must end. */
  #flood(): void {
    const random = this.#random;
    const frame = random.pick([
      encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)),
      settingsFrame([]),
      encodeFrame(frameType.data, 0, this.#anyId()),
      encodeFrame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 1])),
      encodeFrame(200, 0, 0),
    ]);
    this.#send(...Array.from({ length: random.pick([10, 300, 1500]) }, () => frame));
  }
}

const BAD_FIELDS: readonly [string, string][] = [
  ["Upper", "a"],
  ["connection", "close"],
  ["x", "a\nb"],
  ["", "a"],
  [":status", "200"],
  [":path", "/again"],
  ["content-length", "x"],
];

/** "custom-key: custom-value" of RFC 7541, appendix C.4.3. */
const HUFFMAN_LITERAL = Buffer.from("408825a849e95ba97d7f8925a849e95bb8e8b4bf", "hex");

function padded(payload: Buffer, length: number | undefined): Buffer {
  if (length === undefined) return payload;
  return Buffer.concat([Buffer.of(length), payload, Buffer.alloc(length)]);
}

/** Changes a conversation at some places, or goes on with a part of another one. */
export function mutate(random: Random, of: Conversation, other: Conversation): Conversation {
  let steps = [...of.steps];
  for (let times = random.between(1, 4); times > 0; times -= 1) {
    const at = random.below(steps.length + 1);
    const step = steps[at];
    switch (random.below(7)) {
      case 0:
        steps.splice(at, random.between(1, 3));
        break;
      case 1:
        if (step !== undefined) steps.splice(at, 0, ...Array(random.between(1, 4)).fill(step));
        break;
      case 2:
        steps = [...steps.slice(0, at), ...other.steps.slice(random.below(other.steps.length + 1))];
        break;
      case 3:
        steps.splice(at, 0, ...makeConversation(random).steps.slice(2, 5));
        break;
      case 4:
        if (step !== undefined) steps.splice(random.below(steps.length), 0, step);
        break;
      default:
        if (step?.kind === "send") steps[at] = { kind: "send", bytes: damaged(random, step.bytes) };
    }
  }
  return { seed: random.oneIn(3) ? random.uint32() : of.seed, steps: steps.slice(0, MAX_STEPS) };
}

function damaged(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return copy;
  // The heads of frames matter most.
  const at = random.oneIn(2) ? random.below(Math.min(9, copy.length)) : random.below(copy.length);
  switch (random.below(5)) {
    case 0:
      copy[at] = (copy[at] as number) ^ (1 << random.below(8));
      return copy;
    case 1:
      copy[at] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
      return copy;
    case 2:
      if (copy.length >= 4)
        copy.writeUInt32BE(random.pick(INTERESTING), random.below(copy.length - 3));
      return copy;
    case 3:
      return copy.subarray(0, at);
    default:
      return Buffer.concat([
        copy.subarray(0, at),
        random.bytes(random.between(1, 5)),
        copy.subarray(at),
      ]);
  }
}
