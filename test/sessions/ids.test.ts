import crypto from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { expect } from "chai";
import {
  isSessionId,
  isSigningKeyId,
  mintSessionId,
  mintSigningKeyId,
  type RandomBytes,
  randomBytesInBlocks,
  secureRandomBytes,
} from "../../src/session/ids.ts";
import { T0 } from "../support/session-fixtures.ts";

const counted =
  (bytes: number): RandomBytes =>
  (size) => {
    expect(size).to.equal(bytes);
    return Buffer.alloc(size, 0xab);
  };

describe("ids", () => {
  it("consist of 128 random bits, those of sessions with a time before them", () => {
    expect(mintSessionId(counted(16), 0x0194214be000)).to.equal(
      `ses-0194214be000${"ab".repeat(16)}`,
    );
    expect(mintSessionId(counted(16), 0)).to.equal(`ses-${"0".repeat(12)}${"ab".repeat(16)}`);
    expect(mintSigningKeyId(counted(16))).to.equal(`sk-${"ab".repeat(16)}`);
  });

  it("sort by time, those of sessions, whatever their random part is", () => {
    const times = [0, 1, 255, 256, T0 - 1, T0, T0 + 1, 2 ** 32, 2 ** 47, 2 ** 48 - 1];
    const ids = times
      .toSorted((a, b) => a - b)
      .map((time, index) =>
        // The later the time, the smaller the random part.
        mintSessionId((size) => Buffer.alloc(size, 255 - index), time),
      );
    const asBytes = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(asBytes).to.deep.equal(ids);
    expect(ids.toSorted()).to.deep.equal(ids);
  });

  it("have one form, and every other text is refused", () => {
    const id = mintSessionId(secureRandomBytes, T0);
    const keyId = mintSigningKeyId(secureRandomBytes);
    expect([isSessionId(id), isSigningKeyId(keyId)]).to.deep.equal([true, true]);
    const spoilt = (text: string) => [
      "",
      text.slice(0, -1),
      `${text}0`,
      `${text}\n`,
      ` ${text}`,
      text.toUpperCase(),
      text.replace("-", "_"),
      `${text.slice(0, -1)}g`,
      `${text.slice(0, -1)}\0`,
      `${text.slice(0, -1)}\uff10`,
      "__proto__",
      "../",
      "' OR 1=1 --",
    ];
    for (const text of [...spoilt(id), keyId]) {
      expect(isSessionId(text), JSON.stringify(text)).to.equal(false);
    }
    for (const text of [...spoilt(keyId), id]) {
      expect(isSigningKeyId(text), JSON.stringify(text)).to.equal(false);
    }
  });

  it("do not repeat among 1,000,000 of one millisecond (ASVS 7.2.3)", () => {
    const seen = new Set<string>();
    for (let made = 0; made < 1_000_000; made += 1) seen.add(mintSessionId(secureRandomBytes, T0));
    expect(seen.size).to.equal(1_000_000);
  });

  it("take their random bits from node:crypto's randomBytes only (ASVS 11.5.1)", () => {
    const original = crypto.randomBytes;
    const asked: number[] = [];
    try {
      crypto.randomBytes = ((size: number) => {
        asked.push(size);
        return Buffer.alloc(size, 0xcd);
      }) as typeof original;
      syncBuiltinESMExports();
      const random = randomBytesInBlocks();
      expect(mintSessionId(random, 0)).to.match(/^ses-0{12}(cd){16}$/);
      expect(mintSigningKeyId(random)).to.match(/^sk-(cd){16}$/);
    } finally {
      crypto.randomBytes = original;
      syncBuiltinESMExports();
    }
    expect(asked, "a block for both").to.deep.equal([4096]);
  });

  /** Calls `use` with blocks of which each byte is the number of the block, and of its place in it. */
  function withNumberedBlocks<T>(use: (blocks: Buffer[]) => T): T {
    const original = crypto.randomBytes;
    const blocks: Buffer[] = [];
    try {
      crypto.randomBytes = ((size: number) => {
        const block = Buffer.alloc(size);
        for (let at = 0; at < size; at += 2) block.writeUInt16BE(blocks.length * 2048 + at / 2, at);
        blocks.push(block);
        return block;
      }) as typeof original;
      syncBuiltinESMExports();
      return use(blocks);
    } finally {
      crypto.randomBytes = original;
      syncBuiltinESMExports();
    }
  }

  it("never share a random byte, and leave none behind in a block", () => {
    withNumberedBlocks((blocks) => {
      const random = randomBytesInBlocks();
      const given = Array.from({ length: 1000 }, (_, index) =>
        random([16, 32, 4, 250][index % 4] ?? 0),
      );
      const numbers = given.flatMap((bytes) =>
        Array.from({ length: bytes.length / 2 }, (_, at) => bytes.readUInt16BE(at * 2)),
      );
      expect(new Set(numbers).size, "each was given out once").to.equal(numbers.length);
      expect(blocks.length).to.be.greaterThan(15);
      for (const block of blocks.slice(0, -1)) {
        // The last bytes, which were too few, were never given out.
        expect(block.subarray(0, 4096 - 250).every((byte) => byte === 0)).to.equal(true);
      }
      const [first] = given as [Buffer];
      first.fill(0xff);
      expect(
        blocks[0]?.subarray(0, 16).every((byte) => byte === 0),
        "is a copy",
      ).to.equal(true);
    });
  });

  it("have memory of their own, and so has a block", () => {
    const original = crypto.randomBytes;
    const blocks: Buffer[] = [];
    try {
      crypto.randomBytes = ((size: number) => {
        const block = original(size);
        blocks.push(block);
        return block;
      }) as typeof original;
      syncBuiltinESMExports();
      const random = randomBytesInBlocks();
      for (const size of [16, 32, 4096, 5000]) {
        expect(random(size).buffer.byteLength).to.equal(size);
      }
    } finally {
      crypto.randomBytes = original;
      syncBuiltinESMExports();
    }
    expect(blocks.map(({ buffer }) => buffer.byteLength)).to.deep.equal([4096, 4096, 5000]);
  });

  it("are of randomBytes itself if more are wanted than a block has", () => {
    withNumberedBlocks((blocks) => {
      const random = randomBytesInBlocks();
      expect(random(5000)).to.have.length(5000);
      expect(random(4096)).to.have.length(4096);
      expect(blocks.map(({ length }) => length)).to.deep.equal([5000, 4096]);
    });
  });

  it("are not minted if the source of randomness fails, however often it is asked", () => {
    const original = crypto.randomBytes;
    try {
      crypto.randomBytes = (() => {
        throw new Error("closed");
      }) as typeof original;
      syncBuiltinESMExports();
      const random = randomBytesInBlocks();
      for (const _ of [1, 2, 3]) expect(() => mintSessionId(random, T0)).to.throw("closed");
    } finally {
      crypto.randomBytes = original;
      syncBuiltinESMExports();
    }
  });

  it("have no other source of randomness in src/session (ASVS 11.5.1)", async () => {
    const directory = join(import.meta.dirname, "../../src/session");
    const files = (await readdir(directory)).filter((name) => name.endsWith(".ts"));
    expect(files).to.include("ids.ts");
    const users: string[] = [];
    for (const name of files) {
      const source = await readFile(join(directory, name), "utf8");
      expect(source, name).not.to.match(/Math\.random|randomUUID|getRandomValues|Date\.now/);
      if (/\brandomBytes\b/.test(source)) users.push(name);
    }
    expect(users, "who uses node:crypto's randomBytes").to.deep.equal(["ids.ts"]);
  });
});
