import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { csrfTokenMatches, hashCsrfToken, mintCsrfToken } from "../../src/session/csrf.ts";
import { secureRandomBytes } from "../../src/session/ids.ts";

describe("CSRF token", () => {
  it("B01: is 32 random bytes in base64url", () => {
    const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => 255 - index));
    const sizes: number[] = [];
    const { token } = mintCsrfToken((size) => {
      sizes.push(size);
      return bytes;
    });
    expect(sizes).to.deep.equal([32]);
    expect(token).to.match(/^[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(token, "base64url")).to.deep.equal(bytes);
  });

  it("B01: leaves only its SHA-256 for the row", () => {
    const { token, hash } = mintCsrfToken(secureRandomBytes);
    expect(hash).to.deep.equal(createHash("sha256").update(token, "utf8").digest());
    // FIPS 180-4's example for "abc".
    expect(hashCsrfToken("abc").toString("hex")).to.equal(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("A13: matches its own hash and no other token's", () => {
    const [one, two] = [mintCsrfToken(secureRandomBytes), mintCsrfToken(secureRandomBytes)];
    expect(csrfTokenMatches(one.token, one.hash)).to.equal(true);
    expect(csrfTokenMatches(two.token, one.hash)).to.equal(false);
    expect(csrfTokenMatches("", one.hash)).to.equal(false);
    expect(csrfTokenMatches(` ${one.token}`, one.hash)).to.equal(false);
    expect(csrfTokenMatches(`${one.token}=`, one.hash)).to.equal(false);
  });

  it("A13, property: is matched by no other text of any length", () => {
    const { token, hash } = mintCsrfToken(secureRandomBytes);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
        expect(csrfTokenMatches(text, hash)).to.equal(text === token);
      }),
    );
  });

  it("A16: is not minted where there is no randomness", () => {
    const none = () => {
      throw new Error("no entropy");
    };
    expect(() => mintCsrfToken(none)).to.throw("no entropy");
  });
});
