import { toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import fc from "fast-check";
import { ValidateResponseSchema } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { EncodableValidateResponse } from "../../src/rpc/encodable-validate-response.ts";
import type { Session } from "../../src/session/session.ts";
import type { IssuedToken } from "../../src/session/token-issuer.ts";
import { aSession, HOUR, T0, timeouts } from "../support/session-fixtures.ts";

/** The last millisecond that a Timestamp has. */
const LAST = 253_402_300_799_999;

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({ minLength: 40, maxLength: 200 }),
);
const instant = fc.oneof(
  fc.integer({ min: 0, max: LAST }),
  fc.integer({ min: T0 - HOUR, max: T0 + HOUR }),
);

const sessions: fc.Arbitrary<Session> = fc
  .record({
    id: text,
    tenantId: text,
    actorType: text,
    actorId: text,
    appType: text,
    preLogin: fc.boolean(),
    createdAt: instant,
    lastSeenAt: instant,
    idleTimeoutMs: fc.integer({ min: 1000, max: 24 * HOUR }),
    absoluteExpiresAt: instant,
    revokedAt: fc.option(instant, { nil: undefined }),
    revokeReason: text,
    revokedBy: text,
    ipAddress: text,
    userAgent: text,
    signingKeyId: text,
    metadata: fc.dictionary(text, text, { maxKeys: 5 }),
    metadataEtag: text,
    authLevel: fc.nat(),
    authMethods: fc.array(text, { maxLength: 4 }),
    authenticatedAt: fc.option(instant, { nil: undefined }),
  })
  .map((facts) => aSession(facts as unknown as Partial<Session>));

/** How often it encoded the response itself. */
let encoded = 0;

function expectSame(session: Session, now = T0, touched = false, token?: IssuedToken): void {
  const response = new EncodableValidateResponse({ session, now, touched, token }, timeouts);
  const envelope = response.toEnvelope();
  if (envelope === undefined) return;
  encoded += 1;
  const expected = Buffer.from(toBinary(ValidateResponseSchema, response.toMessage()));
  expect(envelope[0]).to.equal(0);
  expect(envelope.readUInt32BE(1)).to.equal(expected.length);
  expect(envelope.subarray(5).equals(expected), JSON.stringify(session)).to.equal(true);
}

const isEncoded = (session: Session): boolean =>
  new EncodableValidateResponse({ session, now: T0, touched: false }, timeouts).toEnvelope() !==
  undefined;

describe("the response of Validate", () => {
  it("has the bytes that protobuf-es makes of its message, for any session and time", () => {
    encoded = 0;
    const runs = 500;
    const token = fc.option(fc.record({ token: text, expiresAt: instant }), { nil: undefined });
    const property = fc.property(sessions, instant, fc.boolean(), token, expectSame);
    fc.assert(property, { numRuns: runs });
    expect(encoded).to.be.greaterThan(runs / 4);
  });

  it("has them where a length or a number begins to take one more byte", () => {
    encoded = 0;
    const lengths = [0, 1, 63, 64, 65, 127, 128, 129, 16_200, 16_383, 16_384];
    for (const length of lengths) {
      for (const character of ["a", "é", "€", "\ud800"]) {
        const value = character.repeat(Math.min(length, 20_000));
        expectSame(aSession({ userAgent: value }));
        expectSame(aSession({ metadata: { key: value } }));
        expectSame(aSession({ actorId: value, authMethods: [value] }));
      }
    }
    for (const now of [T0 - 1, T0, T0 + 1, T0 + timeouts.idleMs - 1, T0 + timeouts.idleMs]) {
      expectSame(aSession(), now, true);
    }
    for (const authLevel of [127, 128, 16_383, 16_384, 2_147_483_647]) {
      expectSame(aSession({ authLevel }));
    }
    expect(encoded).to.be.greaterThan(100);
  });

  it("has them for metadata with the names of properties", () => {
    const metadata = JSON.parse('{"__proto__": "a", "constructor": "b", "1": "c", "0": "d"}');
    expect(isEncoded(aSession({ metadata }))).to.equal(true);
    expectSame(aSession({ metadata }));
  });

  it("has them with a token of any length", () => {
    encoded = 0;
    for (const length of [1, 127, 128, 600, 16_383, 16_384]) {
      const token = { token: "t".repeat(length), expiresAt: T0 + 60_000 };
      expectSame(aSession(), T0, false, token);
    }
    expect(encoded).to.equal(6);
    const token = { token: "t".repeat(30_000), expiresAt: T0 };
    const validated = { session: aSession(), now: T0, touched: false, token };
    expect(new EncodableValidateResponse(validated, timeouts).toEnvelope()).to.equal(undefined);
  });

  const unusual: Record<string, Partial<Session>> = {
    "a time before 1970": { createdAt: -1 },
    "a time after 9999": { absoluteExpiresAt: LAST + 1 },
    "no end": { absoluteExpiresAt: Number.POSITIVE_INFINITY },
    "a negative level": { authLevel: -1 },
    "more text than there is room for": { userAgent: "x".repeat(30_000) },
    "more seconds left than fit": { absoluteExpiresAt: T0 + 2 ** 32 * 1000 },
    "metadata that is no text": { metadata: { key: 1 as unknown as string } },
  };
  for (const [what, facts] of Object.entries(unusual)) {
    it(`is left to protobuf-es with ${what}`, () => {
      expect(isEncoded(aSession())).to.equal(true);
      expect(isEncoded(aSession(facts))).to.equal(false);
    });
  }
});
