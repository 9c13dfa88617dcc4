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
      expect(mintSessionId(secureRandomBytes, 0)).to.match(/^ses-0{12}(cd){16}$/);
      expect(mintSigningKeyId(secureRandomBytes)).to.match(/^sk-(cd){16}$/);
    } finally {
      crypto.randomBytes = original;
      syncBuiltinESMExports();
    }
    expect(asked).to.deep.equal([16, 16]);
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
