import { createHmac } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { MacKey } from "../../src/session/mac-key.ts";

describe("MAC key", () => {
  it("is HMAC-SHA256, whichever keys are used in turn", () => {
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const text = fc.string({ unit: "grapheme", maxLength: 300 });
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 4 }),
        fc.array(text),
        (secrets, texts) => {
          const keys = secrets.map((bytes) => new MacKey(bytes));
          for (const each of texts) {
            const expected = secrets.map((bytes) =>
              createHmac("sha256", bytes).update(each).digest("base64url"),
            );
            expect(keys.map((key) => key.mac(each))).to.deep.equal(expected);
          }
        },
      ),
    );
  });

  it("is HMAC-SHA256 at every length around the ends of SHA-256's blocks", () => {
    const secret = Buffer.alloc(32, 7);
    const key = new MacKey(secret);
    for (let length = 0; length < 260; length += 1) {
      const text = "x".repeat(length);
      const expected = createHmac("sha256", secret).update(text).digest("base64url");
      expect(key.mac(text), String(length)).to.equal(expected);
    }
  });
});
