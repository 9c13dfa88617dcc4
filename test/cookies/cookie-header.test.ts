import { expect } from "chai";
import fc from "fast-check";
import { findCookie } from "../../src/session/cookie-header.ts";

const NAME = "__Host-session";

describe("Cookie header", () => {
  it("gives the named cookie's value, wherever it stands", () => {
    for (const header of [
      `${NAME}=value`,
      `a=1; ${NAME}=value; b=2`,
      `a=1;${NAME}=value;b=2`,
      `  ${NAME} = value  ; a=1`,
      `; ;${NAME}=value;;`,
      `junk; ${NAME}=value`,
    ]) {
      expect(findCookie(header, NAME), header).to.equal("value");
    }
  });

  it("keeps everything after the first equals sign, and an empty value", () => {
    expect(findCookie(`${NAME}=a=b==`, NAME)).to.equal("a=b==");
    expect(findCookie(`${NAME}=`, NAME)).to.equal("");
    expect(findCookie(`${NAME}="quoted"`, NAME)).to.equal('"quoted"');
  });

  it("D05: finds nothing where the cookie is not", () => {
    for (const header of ["", ";", "a=1", NAME, `x${NAME}=1`, `${NAME}x=1`, `a=${NAME}=1`, "=1"]) {
      expect(findCookie(header, NAME), header).to.equal(undefined);
    }
  });

  it("cookie tossing (CVE-2023-29019): takes no name in another spelling", () => {
    for (const name of ["__host-session", "__HOST-session", "__Host-Session", "%5F_Host-session"]) {
      expect(findCookie(`${name}=planted`, NAME), name).to.equal(undefined);
      expect(findCookie(`${name}=planted; ${NAME}=own`, NAME), name).to.equal("own");
    }
  });

  it("cookie tossing (CVE-2023-29019): refuses a name that is there twice, even if equal", () => {
    expect(findCookie(`${NAME}=a; ${NAME}=b`, NAME)).to.equal("ambiguous");
    expect(findCookie(`${NAME}=a; x=1; ${NAME}=a`, NAME)).to.equal("ambiguous");
    expect(findCookie(`${NAME}=a;${NAME}=a;${NAME}=a`, NAME)).to.equal("ambiguous");
    expect(findCookie(`${NAME}=; ${NAME}=a`, NAME)).to.equal("ambiguous");
  });

  // What RFC 6265 allows in names and values, and the blank that follows a semicolon.
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/);
  const value = fc.stringMatching(/^[!#-+\--:<-[\]-~]{0,40}$/);
  const other = fc.tuple(
    token.filter((name) => name !== NAME),
    value,
  );

  it("property: finds the one cookie among any others", () => {
    fc.assert(
      fc.property(fc.array(other), value, fc.array(other), (before, own, after) => {
        const pairs = [...before, [NAME, own] as const, ...after];
        const header = pairs.map(([name, text]) => `${name}=${text}`).join("; ");
        expect(findCookie(header, NAME)).to.equal(own);
      }),
    );
  });

  it("property: finds nothing among others, and is ambiguous about any two", () => {
    fc.assert(
      fc.property(fc.array(other), value, value, (others, one, two) => {
        const header = others.map(([name, text]) => `${name}=${text}`).join("; ");
        expect(findCookie(header, NAME)).to.equal(undefined);
        const twice = `${NAME}=${one}; ${header}; ${NAME}=${two}`;
        expect(findCookie(twice, NAME)).to.equal("ambiguous");
      }),
    );
  });

  it("property: survives any text", () => {
    const part = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(NAME, "=", ";", " "));
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const header = parts.join("");
        const found = findCookie(header, NAME);
        if (found !== undefined && found !== "ambiguous") expect(header).to.include(found);
      }),
    );
  });
});
