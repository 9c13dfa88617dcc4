import { expect } from "chai";
import fc from "fast-check";
import { SessionError } from "../../src/session/errors.ts";
import type { SessionId, TokenKeyId } from "../../src/session/ids.ts";
import { idleExpiresAt, type Session } from "../../src/session/session.ts";
import { type IssuedToken, TokenIssuer } from "../../src/session/token-issuer.ts";
import type { TokenKeyRing } from "../../src/session/token-key-ring.ts";
import { rejected } from "../support/expect-reason.ts";
import { numbers } from "../support/in-parallel.ts";
import { aSession, context, HOUR, MINUTE, SECOND, T0 } from "../support/session-fixtures.ts";

interface Claims {
  readonly iat: number;
  readonly exp: number;
  readonly sid: string;
}

/** An issuer whose tokens are their claims and a number, and what it has signed. */
function fakeIssuer(lifetimeMs = MINUTE) {
  const signed: Claims[] = [];
  const facts = { kid: "tk-1" as TokenKeyId, cached: [] as boolean[] };
  const signing = {
    algorithm: "ES256",
    publicJwk: {},
    async sign(_header: unknown, claims: unknown) {
      signed.push(claims as Claims);
      return JSON.stringify({ number: signed.length, ...(claims as Claims) });
    },
  } as const;
  const ring: Partial<TokenKeyRing> = {
    signingKey: async () => ({
      id: facts.kid,
      algorithm: "ES256",
      createdAt: 0,
      signsFrom: 0,
      publishedUntil: undefined,
      signing,
    }),
  };
  const issuer = new TokenIssuer({
    ring: ring as TokenKeyRing,
    policy: { issuer: "i", audiences: ["a"], lifetimeMs },
    onIssued: (cached) => facts.cached.push(cached),
  });
  const issue = (session: Session, now: number, audience = "a") =>
    issuer.issue({ session, now, audience }, context);
  return { issue, signed, facts, issuer };
}

const claimsIn = ({ token }: IssuedToken): Claims => JSON.parse(token);

describe("token issuer", () => {
  it("H04: no token lives longer than its lifetime, its session or five minutes (property)", async () => {
    const times = fc.record({
      now: fc.integer({ min: T0, max: T0 + 24 * HOUR }),
      later: fc.integer({ min: 0, max: 10 * MINUTE }),
      idleMs: fc.integer({ min: 1, max: HOUR }),
      absoluteMs: fc.integer({ min: 1, max: 12 * HOUR }),
      movedMs: fc.integer({ min: 0, max: HOUR }),
      lifetimeMs: fc.integer({ min: 10, max: 300 }).map((seconds) => seconds * SECOND),
    });
    let issuedTokens = 0;
    await fc.assert(
      fc.asyncProperty(times, async ({ now, later, idleMs, absoluteMs, movedMs, lifetimeMs }) => {
        const { issue } = fakeIssuer(lifetimeMs);
        // Now, and once more later, when the second token may be the first one again.
        for (const at of [now, now + later]) {
          const session = aSession({
            lastSeenAt: at - movedMs,
            idleTimeoutMs: movedMs + idleMs,
            absoluteExpiresAt: now + later + absoluteMs,
          });
          const deadline = Math.min(idleExpiresAt(session), session.absoluteExpiresAt);
          const issued = await issue(session, at);
          if (issued === undefined) {
            expect(Math.min(deadline, at + lifetimeMs) - at).to.be.lessThan(2 * SECOND);
            continue;
          }
          issuedTokens += 1;
          const { iat, exp } = claimsIn(issued);
          expect(exp * SECOND).to.equal(issued.expiresAt);
          expect(issued.expiresAt).to.be.at.most(deadline);
          expect(issued.expiresAt).to.be.at.most(at + lifetimeMs);
          expect(issued.expiresAt - at).to.be.within(SECOND, 5 * MINUTE);
          expect(iat * SECOND).to.be.at.most(at);
          expect(exp - iat).to.be.at.most(lifetimeMs / SECOND);
        }
      }),
      { numRuns: 1000 },
    );
    expect(issuedTokens).to.be.greaterThan(500);
  });

  it("H04: issues none if less than a second is left, and one if it is a second", async () => {
    const { issue } = fakeIssuer();
    const endsAt = (ms: number) => aSession({ absoluteExpiresAt: T0 + ms });
    expect(await issue(endsAt(999), T0)).to.equal(undefined);
    expect((await issue(endsAt(1000), T0))?.expiresAt).to.equal(T0 + 1000);
    // In whole seconds, it would expire half a second from then.
    expect(await issue(endsAt(1999), T0 + 500)).to.equal(undefined);
  });

  it("hands a token out again while it is valid for at least half as long as a new one", async () => {
    const { issue, signed, facts } = fakeIssuer();
    const session = aSession();
    const first = await issue(session, T0);
    expect(await issue(session, T0 + 30_000)).to.deep.equal(first);
    expect(signed).to.have.length(1);
    const second = await issue(session, T0 + 30_001);
    expect(second?.expiresAt).to.equal(T0 + 90_000);
    expect(await issue(session, T0 + 30_001)).to.deep.equal(second);
    expect(facts.cached).to.deep.equal([false, true, false, true]);
  });

  it("H04: hands none out again that is valid for longer than a new one would be", async () => {
    const { issue, signed } = fakeIssuer();
    await issue(aSession(), T0);
    // The deadline is nearer than the token's, or the database's clock was set back.
    const nearer = await issue(aSession({ absoluteExpiresAt: T0 + 40_000 }), T0);
    expect(nearer?.expiresAt).to.equal(T0 + 40_000);
    const back = await issue(aSession(), T0 - HOUR);
    expect(back?.expiresAt).to.equal(T0 - HOUR + MINUTE);
    expect(signed).to.have.length(3);
  });

  it("signs again for another session, audience, key or authentication", async () => {
    const { issue, signed, facts } = fakeIssuer();
    await issue(aSession(), T0);
    await issue(aSession({ id: "ses-other" as SessionId }), T0);
    await issue(aSession(), T0, "b");
    await issue(aSession({ authLevel: 1 }), T0);
    await issue(aSession({ authMethods: ["otp"] }), T0);
    await issue(aSession({ authenticatedAt: T0 - HOUR }), T0);
    facts.kid = "tk-2" as TokenKeyId;
    await issue(aSession(), T0);
    expect(signed).to.have.length(7);
  });

  it("signs once for calls at once, and all get the token", async () => {
    const { issue, signed } = fakeIssuer();
    const session = aSession();
    const tokens = await Promise.all(numbers(20).map(() => issue(session, T0)));
    expect(new Set(tokens.map((issued) => issued?.token)).size).to.equal(1);
    expect(signed).to.have.length(1);
  });

  it("keeps 10,000 tokens, and drops the one that was signed first for another", async () => {
    const { issue, signed } = fakeIssuer();
    const sessionOf = (index: number) => aSession({ id: `ses-${index}` as SessionId });
    for (const index of numbers(10_000)) await issue(sessionOf(index), T0);
    await issue(sessionOf(0), T0);
    expect(signed).to.have.length(10_000);
    await issue(sessionOf(10_000), T0);
    await issue(sessionOf(1), T0);
    expect(signed).to.have.length(10_001);
    await issue(sessionOf(0), T0);
    expect(signed).to.have.length(10_002);
  });

  it("leaves out what is not known of the authentication", async () => {
    const { issue, signed } = fakeIssuer();
    await issue(aSession({ authenticatedAt: undefined, preLogin: true }), T0);
    expect(Object.keys(signed[0] ?? {})).to.deep.equal([
      ...["iss", "aud", "iat", "exp", "sub", "sid", "tenant_id", "actor_type", "auth_level"],
    ]);
  });

  it("fails with what the key ring fails with, and does without anybody who counts", async () => {
    const ring: Partial<TokenKeyRing> = {
      signingKey: () => Promise.reject(new SessionError("STORAGE_UNAVAILABLE")),
    };
    const policy = { issuer: "i", audiences: ["a"], lifetimeMs: MINUTE };
    const issuer = new TokenIssuer({ ring: ring as TokenKeyRing, policy });
    expect(issuer.audiences).to.deep.equal(["a"]);
    const call = issuer.issue({ session: aSession(), now: T0, audience: "a" }, context);
    await rejected(call, "STORAGE_UNAVAILABLE");
  });
});
