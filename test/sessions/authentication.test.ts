import { expect } from "chai";
import {
  authenticatedAt,
  checkedAuthentication,
  checkedRequirement,
  needsStepUp,
  preLoginAuthentication,
} from "../../src/session/authentication.ts";
import { refused } from "../support/expect-reason.ts";
import { parsed } from "../support/parsed.ts";
import { aSession, MINUTE, T0 } from "../support/session-fixtures.ts";

const MAX_AGE = 10 * MINUTE;
const none = { authLevel: 0, authMethods: [], authenticatedAt: undefined };

describe("authentication of a session (F10)", () => {
  describe("step-up", () => {
    const any = { minLevel: 0, maxAgeMs: undefined };

    for (const [authLevel, minLevel, expected] of [
      [0, 0, false],
      [0, 1, true],
      [1, 1, false],
      [1, 2, true],
      [3, 2, false],
    ] as const) {
      it(`${expected ? "is needed" : "is not needed"} at level ${authLevel} for ${minLevel}`, () => {
        const session = aSession({ authLevel });
        expect(needsStepUp(session, T0, { ...any, minLevel })).to.equal(expected);
      });
    }

    for (const [age, expected] of [
      [0, false],
      [MAX_AGE - 1, false],
      [MAX_AGE, false],
      [MAX_AGE + 1, true],
    ] as const) {
      it(`${expected ? "is needed" : "is not needed"} ${age - MAX_AGE} ms after the maximum age`, () => {
        const session = aSession({ authenticatedAt: T0 });
        expect(needsStepUp(session, T0 + age, { ...any, maxAgeMs: MAX_AGE })).to.equal(expected);
      });
    }

    it("is needed if either is not met, and not if nothing is asked", () => {
      const session = aSession({ authLevel: 1 });
      const now = T0 + MAX_AGE + 1;
      expect(needsStepUp(session, now, { minLevel: 1, maxAgeMs: MAX_AGE })).to.equal(true);
      expect(needsStepUp(session, T0, { minLevel: 2, maxAgeMs: MAX_AGE })).to.equal(true);
      expect(needsStepUp(session, T0, { minLevel: 1, maxAgeMs: MAX_AGE })).to.equal(false);
      expect(needsStepUp(session, now, any)).to.equal(false);
    });

    it("is needed before login, whatever the age", () => {
      const session = aSession({ preLogin: true, authenticatedAt: undefined });
      expect(needsStepUp(session, T0, { ...any, maxAgeMs: 1e15 })).to.equal(true);
      expect(needsStepUp(session, T0, any)).to.equal(false);
    });
  });

  it("was at the login in sessions of versions that did not store it", () => {
    const login = aSession({ createdAt: T0, authenticatedAt: undefined });
    expect(authenticatedAt(login)).to.equal(T0);
    expect(authenticatedAt({ ...login, authenticatedAt: T0 - 1 })).to.equal(T0 - 1);
    expect(authenticatedAt({ ...login, preLogin: true })).to.equal(undefined);
  });

  describe("as requested", () => {
    const time = (seconds: bigint, nanos = 0) => ({ seconds, nanos });
    const authentication = (input: Partial<Parameters<typeof checkedAuthentication>[0]>) =>
      parsed((violations) => checkedAuthentication({ ...none, ...input }, violations));

    it("is taken over, with the time cut to milliseconds", () => {
      const authMethods = ["pwd", "otp", "urn:example:amr:x", "~".repeat(32)];
      expect(
        authentication({
          authLevel: 2 ** 31 - 1,
          authMethods,
          authenticatedAt: time(12n, 3_999_999),
        }),
      ).to.deep.equal({ authLevel: 2 ** 31 - 1, authMethods, authenticatedAt: 12_003 });
      expect(authentication({})).to.deep.equal(none);
      expect(authentication({ authenticatedAt: time(0n) }).authenticatedAt).to.equal(0);
      const last = time(253_402_300_799n, 999_999_999);
      expect(authentication({ authenticatedAt: last }).authenticatedAt).to.equal(
        253_402_300_799_999,
      );
    });

    for (const [what, field, input] of [
      ["a level above the largest", "auth_level", { authLevel: 2 ** 31 }],
      ["an empty method", "auth_methods", { authMethods: [""] }],
      ["a method of 33 characters", "auth_methods", { authMethods: ["m".repeat(33)] }],
      ["a method with a blank", "auth_methods", { authMethods: ["one time"] }],
      ["a method that is not ASCII", "auth_methods", { authMethods: ["päß"] }],
      ["a method twice", "auth_methods", { authMethods: ["pwd", "otp", "pwd"] }],
      [
        "eleven methods",
        "auth_methods",
        { authMethods: Array.from({ length: 11 }, (_, index) => `m${index}`) },
      ],
      ["a time before 1970", "authenticated_at", { authenticatedAt: time(-1n) }],
      ["a time after 9999", "authenticated_at", { authenticatedAt: time(253_402_300_800n) }],
      ["negative nanoseconds", "authenticated_at", { authenticatedAt: time(1n, -1) }],
      ["a second of nanoseconds", "authenticated_at", { authenticatedAt: time(1n, 1e9) }],
    ] as const) {
      it(`must not have ${what}`, () => {
        refused(() => authentication(input), "INVALID_REQUEST", field);
      });
    }

    it("must not be set before login", () => {
      const preLogin = (input: Partial<Parameters<typeof preLoginAuthentication>[0]>) =>
        parsed((violations) => preLoginAuthentication({ ...none, ...input }, violations));
      expect(preLogin({})).to.deep.equal(none);
      refused(() => preLogin({ authLevel: 1 }), "INVALID_REQUEST", "auth_level");
      refused(() => preLogin({ authMethods: ["pwd"] }), "INVALID_REQUEST", "auth_methods");
      refused(() => preLogin({ authenticatedAt: time(1n) }), "INVALID_REQUEST", "authenticated_at");
    });

    it("has a maximum age of at least 1 ms, rounded down", () => {
      const maxAge = (seconds: bigint, nanos = 0) =>
        parsed((violations) => checkedRequirement(0, time(seconds, nanos), violations)).maxAgeMs;
      expect(maxAge(0n, 1_999_999)).to.equal(1);
      expect(maxAge(600n)).to.equal(600_000);
      expect(parsed((violations) => checkedRequirement(7, undefined, violations))).to.deep.equal({
        minLevel: 7,
        maxAgeMs: undefined,
      });
      for (const [seconds, nanos] of [
        [0n, 0],
        [0n, 999_999],
        [-1n, 0],
        [0n, -1],
        [2n, -1],
        [1n, 1e9],
        [-(2n ** 63n), 0],
      ] as const) {
        refused(() => maxAge(seconds, nanos), "INVALID_REQUEST", "max_auth_age");
      }
    });
  });
});
