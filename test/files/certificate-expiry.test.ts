import { expect } from "chai";
import { certificateExpiry } from "../../src/files/certificate-expiry.ts";
import { createAuthority } from "../support/certificate-authority.ts";

const DAY_MS = 86_400_000;
/** A full second, as certificates have them. */
const expiresAt = Date.UTC(2030, 0, 1);

describe("expiry of a certificate", () => {
  const authority = createAuthority();
  const livesFor = (days: number) =>
    authority.issue({
      notBefore: new Date(expiresAt - days * DAY_MS),
      notAfter: new Date(expiresAt),
    }).certificate;

  it("is near in the last 7 days, and past after the last moment", () => {
    const pem = livesFor(90);
    const stateAt = (now: number) => certificateExpiry(pem, now).state;
    expect(stateAt(expiresAt - 7 * DAY_MS)).to.equal("valid");
    expect(stateAt(expiresAt - 7 * DAY_MS + 1)).to.equal("expiring");
    expect(stateAt(expiresAt)).to.equal("expiring");
    expect(stateAt(expiresAt + 1)).to.equal("expired");
  });

  it("is near in the last third of a short life", () => {
    const pem = livesFor(3);
    expect(certificateExpiry(pem, expiresAt - DAY_MS).state).to.equal("valid");
    expect(certificateExpiry(pem, expiresAt - DAY_MS + 1).state).to.equal("expiring");
  });

  it("is that of the certificate of the chain that expires first", () => {
    const late = authority.issue({ name: "late", notAfter: new Date(expiresAt + DAY_MS) });
    const early = authority.issue({ name: "early", notAfter: new Date(expiresAt) });
    const expected = { subject: "CN=early", expiresAt: new Date(expiresAt), state: "valid" };
    for (const chain of [
      [late, early],
      [early, late],
    ]) {
      const pem = chain.map(({ certificate }) => certificate).join("");
      expect(certificateExpiry(pem, Date.UTC(2029, 0, 1))).to.deep.equal(expected);
    }
  });
});
